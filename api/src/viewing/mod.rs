//! Streams as they are, for whoever watches: frames with boxes, in our form and in that of an older program, and a page
//! that shows them.
//!
//! A process hears each stream once, however many watch it there. For every stream there is one place for the newest frame, and
//! nothing else waits: a viewer takes what lies there when it has room for it. Whoever is slow misses frames, costs one frame of
//! memory and delays nobody.

mod board;
mod feed;
pub(crate) mod figures;
pub(crate) mod page;
mod screen;
mod socket;
mod subject;
mod video_stream;
mod viewer;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

pub(crate) use board::Board;

/// The routes of this folder.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(socket::routes())
        .merge(video_stream::routes())
}
