//! `zoetrope tutorial`: a recording in; a guide, a narration and a narrated video out. Three tasks, one after the other;
//! what they made is put together here.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use zoetrope_shared::markup;
use zoetrope_shared::tasks::content_generation::ContentGenerationOutput;
use zoetrope_shared::tasks::step_detection::StepDetectionOutput;
use zoetrope_shared::tasks::voice_synthesis::VoiceSynthesisOutput;
use zoetrope_shared::wire::TaskView;

use crate::args::{Output, TutorialArgs};
use crate::client::{Client, Submission};
use crate::exit::{CliError, Exit};
use crate::film::{self, Film};
use crate::lesson::{self, Part, Scene};
use crate::{guide, out};

/// Silence after each part, milliseconds.
const PAUSE_MS: u32 = 700;

/// Makes all of it and says where it is and who made it.
pub(crate) async fn tutorial(client: &Client, args: &TutorialArgs, output: Output) -> Result<Exit, CliError> {
    if !args.no_video {
        film::check().await?;
    }
    let work = Work::new(client, args, output)?;
    let Some(steps) = work.steps().await? else {
        return Ok(Exit::Failed);
    };
    let found: StepDetectionOutput = super::result(&steps)?;
    if found.steps.is_empty() {
        let name = args.recording.display();
        return Err(CliError::failed(format!(
            "no steps were found in {name}: there is nothing to tell"
        )));
    }
    let parts = lesson::parts(&work.title, &found);
    let (Some(guide), Some(speech)) = (work.guide(&steps.id).await?, work.speech(&parts).await?) else {
        return Ok(Exit::Failed);
    };
    let made = work.write(&found, &parts, &guide, &speech).await?;
    match output {
        Output::Json => out::json(&made)?,
        Output::Id | Output::Table => out::data(&lines(&made))?,
    }
    Ok(Exit::Done)
}

struct Work<'a> {
    client: &'a Client,
    args: &'a TutorialArgs,
    output: Output,
    title: String,
    folder: PathBuf,
}

impl<'a> Work<'a> {
    fn new(client: &'a Client, args: &'a TutorialArgs, output: Output) -> Result<Self, CliError> {
        let stem = args.recording.file_stem().unwrap_or_default().to_string_lossy();
        let words = stem.replace(['_', '-'], " ");
        let title = args.title.clone().unwrap_or(words);
        if !title.chars().any(char::is_alphanumeric) {
            return Err(CliError::usage("the title should have letters: pass --title"));
        }
        let beside = args.recording.with_file_name(format!("{stem}-tutorial"));
        let folder = args.out.clone().unwrap_or(beside);
        Ok(Self {
            client,
            args,
            output,
            title,
            folder,
        })
    }

    async fn steps(&self) -> Result<Option<TaskView>, CliError> {
        let mut input = Map::from_iter([("screenshots".to_owned(), json!(true))]);
        if let Some(language) = &self.args.language {
            input.insert("language".to_owned(), json!(language));
        }
        let (recording, timeout) = (&self.args.recording, self.args.timeout);
        super::run_on_file(self.client, "step_detection", input, recording, timeout, self.output).await
    }

    async fn guide(&self, steps_task: &str) -> Result<Option<ContentGenerationOutput>, CliError> {
        let input = [
            ("template", json!("how_to_guide")),
            ("steps_task", json!(steps_task)),
            ("title", json!(self.title)),
            ("format", json!("markdown")),
        ];
        self.made("content_generation", input).await
    }

    async fn speech(&self, parts: &[Part]) -> Result<Option<VoiceSynthesisOutput>, CliError> {
        let segments = parts
            .iter()
            .map(|part| json!({"text": part.spoken, "pause_ms": PAUSE_MS}));
        let input = [
            ("segments", segments.collect()),
            ("language", json!(self.args.spoken)),
            ("format", json!("mp3")),
        ];
        let voice = self.args.voice.iter().map(|voice| ("voice", json!(voice)));
        self.made("voice_synthesis", input.into_iter().chain(voice)).await
    }

    /// The result of a task, or nothing if it failed, which is shown.
    async fn made<T: DeserializeOwned>(
        &self,
        kind: &str,
        input: impl IntoIterator<Item = (&str, Value)>,
    ) -> Result<Option<T>, CliError> {
        let submission = Submission {
            input: input
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            ..Submission::default()
        };
        let task = super::run(self.client, kind, submission, self.args.timeout, self.output).await?;
        task.as_ref().map(super::result).transpose()
    }

    /// Writes everything; by name, where it is and who made it.
    async fn write(
        &self,
        found: &StepDetectionOutput,
        parts: &[Part],
        guide: &ContentGenerationOutput,
        speech: &VoiceSynthesisOutput,
    ) -> Result<BTreeMap<&'static str, Value>, CliError> {
        let pictures = self.pictures(found).await?;
        let mut markdown = guide.content.clone();
        let mut page = markup::to_html(&guide.content);
        for (id, picture) in &pictures {
            let path = format!("/api/v1/artifacts/{id}");
            markdown = markdown.replace(&path, &picture.name);
            page = page.replace(
                &format!("src=\"{path}\""),
                &format!("src=\"{}\"", guide::embedded(&picture.jpeg)),
            );
        }
        let by_writer = format!("{} ({})", guide.provider, guide.model);
        let by_speaker = format!("{} ({})", speech.provider, speech.voice);
        let mut made = BTreeMap::new();
        let mut note = |what, path: PathBuf, by: &str| {
            made.insert(what, json!({"path": path, "by": by}));
        };
        note("guide", self.save("guide.md", markdown.as_bytes()).await?, &by_writer);
        let page = guide::whole(&self.title, &page);
        note("page", self.save("guide.html", page.as_bytes()).await?, &by_writer);
        let sound = self.keep("narration.mp3", &speech.artifact).await?;
        let captions = self.keep("narration.srt", &speech.srt).await?;
        note("subtitles", self.keep("narration.vtt", &speech.vtt).await?, &by_speaker);
        note("narration", sound.clone(), &by_speaker);
        let scenes = lesson::scenes(parts, speech);
        if !self.args.no_video && !scenes.is_empty() {
            let place = |scene: Scene| Some((pictures.get(&scene.picture)?.path.clone(), scene.ms));
            let film = Film {
                pictures: scenes.into_iter().filter_map(place).collect(),
                sound,
                captions,
                size: (found.width, found.height),
            };
            let path = self.folder.join("tutorial.mp4");
            film::make(&film, &path).await?;
            note("video", path, "ffmpeg");
        }
        Ok(made)
    }

    /// Saves the steps' screenshots; by the ids of their artifacts.
    async fn pictures(&self, found: &StepDetectionOutput) -> Result<BTreeMap<String, Picture>, CliError> {
        let mut pictures = BTreeMap::new();
        for step in &found.steps {
            // A guide shows what was before, or else what was after.
            let Some(id) = step.before.as_ref().or(step.after.as_ref()) else {
                continue;
            };
            if !pictures.contains_key(id) {
                let name = format!("images/step-{:02}.jpg", step.index + 1);
                let jpeg = self.client.artifact(id).await?;
                let path = self.save(&name, &jpeg).await?;
                pictures.insert(id.clone(), Picture { name, path, jpeg });
            }
        }
        Ok(pictures)
    }

    /// Saves an artifact.
    async fn keep(&self, name: &str, id: &str) -> Result<PathBuf, CliError> {
        let bytes = self.client.artifact(id).await?;
        self.save(name, &bytes).await
    }

    async fn save(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, CliError> {
        let path = self.folder.join(name);
        let unwritten = |error| CliError::usage(format!("{} cannot be written: {error}", path.display()));
        if let Some(folder) = path.parent() {
            tokio::fs::create_dir_all(folder).await.map_err(unwritten)?;
        }
        tokio::fs::write(&path, bytes).await.map_err(unwritten)?;
        Ok(path)
    }
}

/// A saved screenshot.
struct Picture {
    /// Its path within the folder.
    name: String,
    path: PathBuf,
    jpeg: Vec<u8>,
}

fn lines(made: &BTreeMap<&'static str, Value>) -> String {
    let line = |(what, file): (&&str, &Value)| {
        let text = |name: &str| file[name].as_str().unwrap_or_default().to_owned();
        format!("{what:<10} {}  by {}\n", text("path"), text("by"))
    };
    made.iter().map(line).collect()
}
