//! The local voice: the command espeak-ng, one call a sentence. It is run and never linked, for its licence; it
//! inherits this child's limits and dies with its process group.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use zoetrope_worker::protocol_audio::LocalVoice;

use super::wav::Sound;
use crate::fault::Fault;

const COMMAND: &str = "espeak-ng";
/// Longest name of a voice, characters.
const MAX_VOICE_CHARS: usize = 40;

/// Speaks a sentence.
pub(super) fn speak(text: &str, voice: &str, words_a_minute: u32) -> Result<Sound, Fault> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+');
    if voice.is_empty() || voice.len() > MAX_VOICE_CHARS || !voice.chars().all(plain) {
        return Err(unknown(voice));
    }
    let mut command = Command::new(COMMAND);
    command.args([
        "--stdout",
        "--stdin",
        "-b",
        "1",
        "-v",
        voice,
        "-s",
        &words_a_minute.to_string(),
    ]);
    let output = run(command, text)?;
    if !output.status.success() || output.stdout.is_empty() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        return Err(if complaint.contains("does not exist") {
            unknown(voice)
        } else {
            failed(&output)
        });
    }
    Sound::of_wav(&output.stdout)
}

/// Every voice, as the command lists them.
pub(super) fn voices() -> Result<Vec<LocalVoice>, Fault> {
    let mut command = Command::new(COMMAND);
    command.arg("--voices");
    let output = run(command, "")?;
    if !output.status.success() {
        return Err(failed(&output));
    }
    Ok(parse_voices(&String::from_utf8_lossy(&output.stdout)))
}

/// Lines such as ` 5  en-us   --/M   English_(America)  gmw/en-US  (en 3)`.
fn parse_voices(listed: &str) -> Vec<LocalVoice> {
    let voices = listed.lines().skip(1).filter_map(|line| {
        let mut words = line.split_whitespace();
        let (_priority, language, _gender, name) = (words.next()?, words.next()?, words.next()?, words.next()?);
        Some(LocalVoice {
            id: language.to_owned(),
            name: name.replace('_', " "),
            language: language.to_owned(),
        })
    });
    voices.collect()
}

fn run(mut command: Command, input: &str) -> Result<Output, Fault> {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut running = command.spawn().map_err(|error| {
        Fault::not_installed(format!(
            "the command {COMMAND} cannot be started ({error}); install espeak-ng"
        ))
    })?;
    let mut stdin = running.stdin.take();
    let failed = |error: std::io::Error| Fault::engine_failed(format!("espeak-ng is lost: {error}"));
    // It reads all of a sentence before it speaks, and a sentence is shorter than a pipe.
    if let Some(stdin) = &mut stdin {
        stdin.write_all(input.as_bytes()).map_err(failed)?;
    }
    drop(stdin);
    running.wait_with_output().map_err(failed)
}

fn failed(output: &Output) -> Fault {
    let complaint = String::from_utf8_lossy(&output.stderr);
    let complaint = complaint.lines().next().unwrap_or_default();
    Fault::engine_failed(format!("espeak-ng ended with {}: {complaint}", output.status))
}

fn unknown(voice: &str) -> Fault {
    Fault::input_invalid(format!(
        "espeak-ng has no voice {voice:?}; GET /api/v1/voices lists them"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn voices_are_read_from_the_commands_list() {
        let listed = "Pty Language       Age/Gender VoiceName          File                 Other Languages\n 5  af              --/M      Afrikaans          gmw/af               \n 2  en-us           --/M      English_(America)  gmw/en-US            (en 3)\nodd\n";
        let voices = parse_voices(listed);
        assert_eq!(voices.len(), 2);
        assert_eq!(
            (voices[1].id.as_str(), voices[1].name.as_str()),
            ("en-us", "English (America)")
        );
    }

    #[test]
    fn a_name_that_is_no_voice_never_reaches_the_command() {
        for voice in ["", "../../etc/passwd", "en us", "-f/etc/passwd\n", "en;ls"] {
            assert!(speak("x", voice, 175).is_err(), "{voice}");
        }
    }
}
