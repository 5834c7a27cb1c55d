//! The worker at its boundaries: what media children answer, survive and leave, and what the executables link.

mod bombs;
mod children;
mod content_generation;
mod descriptions;
mod drawn_pages;
mod drawn_session;
mod films;
mod image_analysis;
mod linkage;
mod ocr;
mod ocr_truth;
mod pdf;
mod pixels;
mod process;
mod providers;
mod registry;
mod steps_damage;
mod steps_truth;
mod stream_damage;
mod stream_decode;
mod stream_files;
mod stream_packets;
mod transcription;
mod vocabulary;
mod voice_synthesis;
mod world;
