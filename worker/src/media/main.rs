//! `zoetrope-media`: decodes, reads and analyses untrusted media for one worker, and nothing else.
//!
//! A worker starts it with a socket as its standard input, the folder of its inputs and any other files that it may read
//! as its arguments, and kills it when a task is cancelled or late. Everything that links a decoder belongs under this folder; everything that opens a network
//! connection belongs elsewhere.

mod analysis;
mod annotate;
mod audio;
#[cfg(target_os = "linux")]
mod confine;
mod decode;
mod detection;
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

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let inputs = arguments.next();
    let readable: Vec<PathBuf> = arguments.collect();
    match sandbox::enter(inputs.as_deref(), &readable).and_then(|()| serve::serve()) {
        Ok(()) => ExitCode::SUCCESS,
        // Standard error is a pipe that the worker reads into its log.
        Err(error) => {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "{error:#}");
            ExitCode::FAILURE
        }
    }
}
