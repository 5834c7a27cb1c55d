//! The capability of finding objects in pictures: what is asked, and what is answered.

use zoetrope_shared::usage::Usage;

use super::capability::{Call, Engine, Matter, Measured, Picture};
use super::catalogue::Model;

/// Finds objects in pictures.
pub trait Detector: Engine {
    /// Finds the objects of one picture.
    fn detect<'a>(&'a self, sight: &'a Sight, model: &'a Model) -> Call<'a, Detected>;
}

/// A picture in which objects are to be found.
#[derive(Debug, Clone)]
pub struct Sight {
    /// The picture.
    pub picture: Picture,
    /// Its width, pixels.
    pub width: u32,
    /// Its height, pixels.
    pub height: u32,
    /// Objects below this confidence are not wanted, 0 to 1.
    pub least_confidence: f32,
}

impl Sight {
    /// What it takes to look at it.
    pub fn matter(&self) -> Matter {
        Matter {
            expected: Usage {
                images: Some(1),
                ..Usage::default()
            },
            ..Matter::default()
        }
    }
}

/// What was found in a picture.
#[derive(Debug, Clone)]
pub struct Detected {
    /// Objects, in any order.
    pub objects: Vec<Spotted>,
    /// The model.
    pub model: String,
    /// What it used, without cost.
    pub usage: Usage,
}

/// An object. Places are shares of the picture's width and height; those outside of 0 to 1 are outside of the picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Spotted {
    /// Its class, as the provider calls it.
    pub label: String,
    /// 0 to 1.
    pub confidence: f32,
    /// Its left edge.
    pub left: f64,
    /// Its upper edge.
    pub top: f64,
    /// Its width.
    pub width: f64,
    /// Its height.
    pub height: f64,
}

impl Measured for Detected {
    fn model(&self) -> &str {
        &self.model
    }

    fn usage(&self) -> &Usage {
        &self.usage
    }

    fn usage_mut(&mut self) -> &mut Usage {
        &mut self.usage
    }
}
