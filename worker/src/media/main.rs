//! `zoetrope-media`: decodes, reads and analyses untrusted media for one worker, and nothing else.
//!
//! A worker starts it with a socket as its standard input and kills it when a task is cancelled or late. Everything
//! that links a decoder belongs under this folder; everything that opens a network connection belongs elsewhere.

mod analysis;
mod audio;
mod decode;
mod fault;
mod ocr;
mod picture;
mod png_metadata;
mod sandbox;
mod serve;
mod streams;
mod tiff_pages;

use std::process::ExitCode;

fn main() -> ExitCode {
    match sandbox::enter().and_then(|()| serve::serve()) {
        Ok(()) => ExitCode::SUCCESS,
        // Standard error is a pipe that the worker reads into its log.
        Err(error) => {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "{error:#}");
            ExitCode::FAILURE
        }
    }
}
