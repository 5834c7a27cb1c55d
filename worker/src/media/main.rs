//! `zoetrope-media`: decodes, reads and analyses untrusted media for one worker, and nothing else.
//!
//! A worker starts it with a socket as its standard input and the folder of its inputs as its argument, and kills it when
//! a task is cancelled or late. Everything that links a decoder belongs under this folder; everything that opens a network
//! connection belongs elsewhere.

mod analysis;
mod audio;
#[cfg(target_os = "linux")]
mod confine;
mod decode;
mod fault;
mod ocr;
mod pdf_pages;
mod picture;
mod png_metadata;
mod sandbox;
mod serve;
mod steps;
mod streams;
mod tiff_pages;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let inputs = std::env::args_os().nth(1);
    match sandbox::enter(inputs.as_deref().map(Path::new)).and_then(|()| serve::serve()) {
        Ok(()) => ExitCode::SUCCESS,
        // Standard error is a pipe that the worker reads into its log.
        Err(error) => {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "{error:#}");
            ExitCode::FAILURE
        }
    }
}
