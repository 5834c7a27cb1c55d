//! `zoetrope tutorial`: a recording in; a guide, a narration and a narrated video out. Three tasks, one after the other;
//! what they made is put together here.

use std::collections::BTreeMap;
use std::path::PathBuf;

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
use crate::{guide, out, show};

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
        let input = json!({
            "template": "how_to_guide", "steps_task": steps_task, "title": self.title, "format": "markdown",
        });
        self.made("content_generation", input).await
    }

    async fn speech(&self, parts: &[Part]) -> Result<Option<VoiceSynthesisOutput>, CliError> {
        let segments: Vec<Value> = parts
            .iter()
            .map(|part| json!({"text": part.spoken, "pause_ms": PAUSE_MS}))
            .collect();
        let mut input = json!({"segments": segments, "language": self.args.spoken, "format": "mp3"});
        if let Some(voice) = &self.args.voice {
            input["voice"] = json!(voice);
        }
        self.made("voice_synthesis", input).await
    }

    /// The result of a task, or nothing if it failed, which is shown.
    async fn made<T: serde::de::DeserializeOwned>(&self, kind: &str, input: Value) -> Result<Option<T>, CliError> {
        let Value::Object(input) = input else {
            return Err(CliError::failed("an input should be an object"));
        };
        let submission = Submission {
            input,
            ..Submission::default()
        };
        let task = self.client.submit(kind, submission).await?;
        let task = super::wait::ended(self.client, task, self.args.timeout).await?;
        if show::has_succeeded(&task) {
            return super::result(&task).map(Some);
        }
        show::task(&task, self.output)?;
        Ok(None)
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
        for (id, name) in &pictures {
            let path = format!("/api/v1/artifacts/{id}");
            markdown = markdown.replace(&path, name);
            let bytes = std::fs::read(self.folder.join(name)).map_err(CliError::failed)?;
            page = page.replace(
                &format!("src=\"{path}\""),
                &format!("src=\"{}\"", guide::embedded(&bytes)),
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
            let place = |scene: Scene| Some((self.folder.join(pictures.get(&scene.picture)?), scene.ms));
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

    /// Saves the steps' screenshots; their paths within the folder, by the ids of their artifacts.
    async fn pictures(&self, found: &StepDetectionOutput) -> Result<BTreeMap<String, String>, CliError> {
        let mut pictures = BTreeMap::new();
        for step in &found.steps {
            // A guide shows what was before, or else what was after.
            let Some(id) = step.before.as_ref().or(step.after.as_ref()) else {
                continue;
            };
            let name = format!("images/step-{:02}.jpg", step.index + 1);
            if !pictures.contains_key(id) {
                self.keep(&name, id).await?;
                pictures.insert(id.clone(), name);
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

fn lines(made: &BTreeMap<&'static str, Value>) -> String {
    let line = |(what, file): (&&str, &Value)| {
        let text = |name: &str| file[name].as_str().unwrap_or_default().to_owned();
        format!("{what:<10} {}  by {}\n", text("path"), text("by"))
    };
    made.iter().map(line).collect()
}
