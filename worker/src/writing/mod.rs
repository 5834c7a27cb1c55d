//! Writing texts: what is told to a model, what is written without one, and what is made of an answer. Templates are
//! files that an operator may replace. Who answers belongs to `providers`.

pub mod extract;
pub mod local;
pub mod material;
pub mod prompt;
pub mod rounds;
pub mod structured;
pub mod templates;
