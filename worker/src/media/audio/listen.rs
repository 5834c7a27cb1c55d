//! The local listener: the command `pocketsphinx_continuous` with its American English model, fed through a pipe. It is
//! run and never linked, inherits this child's limits, and dies with its process group.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use zoetrope_worker::protocol_audio::ListenedWord;

use super::wav::Sound;
use crate::fault::Fault;

const COMMAND: &str = "pocketsphinx_continuous";
/// Most that the command may say of one stretch, bytes: a word a sample would be less.
const MAX_SAID_BYTES: u64 = 8 * 1024 * 1024;

/// The words of a stretch, in order; an empty text ends an utterance.
pub(super) fn listen(sound: &Sound) -> Result<Vec<ListenedWord>, Fault> {
    let mut command = Command::new(COMMAND);
    // Standard input under the only name that the command takes for a file.
    command.args(["-infile", "/dev/stdin", "-time", "yes", "-logfn", "/dev/null"]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut running = command.spawn().map_err(|error| {
        let install = "install pocketsphinx and pocketsphinx-en-us, or configure a provider of transcription";
        Fault::not_installed(format!("the command {COMMAND} cannot be started ({error}); {install}"))
    })?;
    let failed = |error: std::io::Error| Fault::engine_failed(format!("{COMMAND} is lost: {error}"));
    let (stdin, stdout) = (running.stdin.take(), running.stdout.take());
    let (Some(mut stdin), Some(stdout)) = (stdin, stdout) else {
        return Err(Fault::engine_failed(format!("{COMMAND} has no pipes")));
    };
    let bytes: Vec<u8> = sound.samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let mut said = String::new();
    let read = std::thread::scope(|scope| {
        // It speaks while it listens: one thread for both would wait for ever.
        scope.spawn(move || stdin.write_all(&bytes));
        stdout.take(MAX_SAID_BYTES).read_to_string(&mut said)
    });
    read.map_err(failed)?;
    let status = running.wait().map_err(failed)?;
    if !status.success() {
        return Err(Fault::engine_failed(format!("{COMMAND} ended with {status}")));
    }
    Ok(parse(&said))
}

/// Lines such as `quick 0.280 0.550 0.179407`, between lines of whole utterances, which are left out.
fn parse(said: &str) -> Vec<ListenedWord> {
    let mut words: Vec<ListenedWord> = Vec::new();
    for line in said.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [word, start, end, confidence] = fields[..] else {
            continue;
        };
        let (Ok(start), Ok(end), Ok(confidence)) =
            (start.parse::<f64>(), end.parse::<f64>(), confidence.parse::<f32>())
        else {
            continue;
        };
        // Silence, noise and the end of an utterance stand in brackets; `close(2)` is another way to say a word.
        let is_sound = word.starts_with(['<', '[', '+']);
        let text = if is_sound {
            ""
        } else {
            word.split('(').next().unwrap_or_default()
        };
        if is_sound && word != "</s>" {
            continue;
        }
        words.push(ListenedWord {
            start_ms: (start * 1_000.0) as u64,
            end_ms: (end * 1_000.0) as u64,
            text: text.to_owned(),
            confidence: confidence.clamp(0.0, 1.0),
        });
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_without_noises_and_variants_and_utterances_end() {
        let said = "the quick fox\n<s> 0.000 0.140 1.000200\nthe 0.150 0.270 0.5565\n<sil> 0.280 0.3 0.9\nfox(2) 0.910 1.280 1.0003\n</s> 1.3 1.4 1.0\nodd line\n";
        let words: Vec<(String, u64)> = parse(said).into_iter().map(|word| (word.text, word.start_ms)).collect();
        assert_eq!(
            words,
            [("the".to_owned(), 150), ("fox".to_owned(), 910), (String::new(), 1_300)]
        );
    }
}
