//! Work that would hold up other requests: decoding, hashing and parsing of large bodies.

use std::sync::LazyLock;

use tokio::sync::Semaphore;

use crate::limits::INLINE_CPU_BYTES;

/// As many at a time as there are cores: more would only make each of them slower and hold more memory.
static SLOTS: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(std::thread::available_parallelism().map_or(2, std::num::NonZero::get)));

/// Runs `work` on `bytes` bytes: here if they are few, on the blocking pool otherwise.
pub(crate) async fn run<T: Send + 'static>(bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> T {
    if bytes <= INLINE_CPU_BYTES {
        return work();
    }
    let _slot = SLOTS.acquire().await.expect("the semaphore should never be closed");
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        // It is not aborted by anybody, so it panicked: the panic goes on in the request that asked for the work.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
