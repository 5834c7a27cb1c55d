//! Settings of the providers of AI services: which are switched on, where they are, what their models cost.

use std::path::PathBuf;

use super::error::ConfigError;
use super::reader::Reader;
use super::secret::Secret;
use super::value;

/// Where a provider is and what opens it.
#[derive(Debug, Clone)]
pub struct ProviderAccess {
    /// `<PROVIDER>_API_KEY`. Default: none.
    pub api_key: Option<Secret>,
    /// `<PROVIDER>_BASE_URL`: another server of the same form. Default: the provider's own.
    pub base_url: String,
    /// Whether the base URL was set.
    pub is_moved: bool,
}

/// Keys and addresses of providers.
#[derive(Debug, Clone)]
pub struct ProviderSettings {
    /// `OPENAI_API_KEY`, `OPENAI_BASE_URL`: any OpenAI-compatible server; one that was moved needs no key.
    pub openai: ProviderAccess,
    /// `OPENAI_MODEL`: the text and vision model where a task names none. Default: as `MODELS_FILE` says.
    pub openai_model: Option<String>,
    /// `OPENAI_SPEECH_MODEL`: the same for speech; switches it on for a server of one's own. Default: as above.
    pub openai_speech_model: Option<String>,
    /// `OPENAI_TRANSCRIPTION_MODEL`: the same for transcription. Default: as above.
    pub openai_transcription_model: Option<String>,
    /// `ANTHROPIC_API_KEY`, `ANTHROPIC_BASE_URL`.
    pub anthropic: ProviderAccess,
    /// `GEMINI_API_KEY`, `GEMINI_BASE_URL`.
    pub gemini: ProviderAccess,
    /// `ELEVENLABS_API_KEY`, `ELEVENLABS_BASE_URL`.
    pub elevenlabs: ProviderAccess,
    /// `ROBOFLOW_API_KEY`, `ROBOFLOW_BASE_URL`: one that was moved needs no key.
    pub roboflow: ProviderAccess,
    /// `ROBOFLOW_MODEL`: the detector where a task names none. Default: as `MODELS_FILE` says.
    pub roboflow_model: Option<String>,
    /// `DEEPGRAM_API_KEY`, `DEEPGRAM_BASE_URL`.
    pub deepgram: ProviderAccess,
    /// `WHISPER_MODEL`: a model of whisper.cpp's, which runs here. Default: none.
    pub whisper_model: Option<PathBuf>,
    /// `DETECTOR_*`: a detector that runs here.
    pub detector: DetectorSettings,
    /// `MODELS_FILE`: models, tiers and prices in place of the built-in list. Default: none.
    pub models_file: Option<PathBuf>,
    /// `TEMPLATES_DIR`: templates that replace built-in ones of the same name. Default: none.
    pub templates_dir: Option<PathBuf>,
}

/// A detector that runs in the worker's media children.
#[derive(Debug, Clone, Default)]
pub struct DetectorSettings {
    /// `DETECTOR_MODEL`: an ONNX file, an export of the YOLO family. Default: none.
    pub model: Option<PathBuf>,
    /// `DETECTOR_LABELS`: names of its classes, one a line. Default: as the file itself says.
    pub labels: Option<PathBuf>,
    /// `ONNXRUNTIME_LIBRARY`: ONNX Runtime's shared library. Default: `libonnxruntime.so` of the system.
    pub library: Option<PathBuf>,
}

pub(super) fn read(from: &Reader<'_>) -> Result<ProviderSettings, ConfigError> {
    let path = |name| Ok::<_, ConfigError>(from.optional(name, value::text)?.map(PathBuf::from));
    Ok(ProviderSettings {
        openai: access(from, "OPENAI_API_KEY", "OPENAI_BASE_URL", "https://api.openai.com/v1")?,
        openai_model: from.optional("OPENAI_MODEL", value::text)?,
        openai_speech_model: from.optional("OPENAI_SPEECH_MODEL", value::text)?,
        openai_transcription_model: from.optional("OPENAI_TRANSCRIPTION_MODEL", value::text)?,
        anthropic: access(
            from,
            "ANTHROPIC_API_KEY",
            "ANTHROPIC_BASE_URL",
            "https://api.anthropic.com",
        )?,
        gemini: access(
            from,
            "GEMINI_API_KEY",
            "GEMINI_BASE_URL",
            "https://generativelanguage.googleapis.com",
        )?,
        elevenlabs: access(
            from,
            "ELEVENLABS_API_KEY",
            "ELEVENLABS_BASE_URL",
            "https://api.elevenlabs.io",
        )?,
        roboflow: access(
            from,
            "ROBOFLOW_API_KEY",
            "ROBOFLOW_BASE_URL",
            "https://serverless.roboflow.com",
        )?,
        roboflow_model: from.optional("ROBOFLOW_MODEL", value::text)?,
        deepgram: access(
            from,
            "DEEPGRAM_API_KEY",
            "DEEPGRAM_BASE_URL",
            "https://api.deepgram.com",
        )?,
        whisper_model: path("WHISPER_MODEL")?,
        detector: DetectorSettings {
            model: path("DETECTOR_MODEL")?,
            labels: path("DETECTOR_LABELS")?,
            library: path("ONNXRUNTIME_LIBRARY")?,
        },
        models_file: path("MODELS_FILE")?,
        templates_dir: path("TEMPLATES_DIR")?,
    })
}

fn access(
    from: &Reader<'_>,
    key: &'static str,
    base: &'static str,
    default: &'static str,
) -> Result<ProviderAccess, ConfigError> {
    let base_url = from.or(base, default.to_owned(), value::url(&["http", "https"]))?;
    Ok(ProviderAccess {
        api_key: from.optional(key, value::secret)?,
        is_moved: base_url != default,
        base_url,
    })
}

/// Every setting of providers with its value, secrets hidden.
pub(super) fn redacted(providers: &ProviderSettings, url: impl Fn(&str) -> String) -> Vec<(&'static str, String)> {
    let key = |access: &ProviderAccess| access.api_key.as_ref().map(ToString::to_string).unwrap_or_default();
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    vec![
        ("OPENAI_API_KEY", key(&providers.openai)),
        ("OPENAI_BASE_URL", url(&providers.openai.base_url)),
        ("OPENAI_MODEL", providers.openai_model.clone().unwrap_or_default()),
        (
            "OPENAI_SPEECH_MODEL",
            providers.openai_speech_model.clone().unwrap_or_default(),
        ),
        (
            "OPENAI_TRANSCRIPTION_MODEL",
            providers.openai_transcription_model.clone().unwrap_or_default(),
        ),
        ("ANTHROPIC_API_KEY", key(&providers.anthropic)),
        ("ANTHROPIC_BASE_URL", url(&providers.anthropic.base_url)),
        ("GEMINI_API_KEY", key(&providers.gemini)),
        ("GEMINI_BASE_URL", url(&providers.gemini.base_url)),
        ("ELEVENLABS_API_KEY", key(&providers.elevenlabs)),
        ("ELEVENLABS_BASE_URL", url(&providers.elevenlabs.base_url)),
        ("ROBOFLOW_API_KEY", key(&providers.roboflow)),
        ("ROBOFLOW_BASE_URL", url(&providers.roboflow.base_url)),
        ("ROBOFLOW_MODEL", providers.roboflow_model.clone().unwrap_or_default()),
        ("DEEPGRAM_API_KEY", key(&providers.deepgram)),
        ("DEEPGRAM_BASE_URL", url(&providers.deepgram.base_url)),
        ("WHISPER_MODEL", path(&providers.whisper_model)),
        ("DETECTOR_MODEL", path(&providers.detector.model)),
        ("DETECTOR_LABELS", path(&providers.detector.labels)),
        ("ONNXRUNTIME_LIBRARY", path(&providers.detector.library)),
        ("MODELS_FILE", path(&providers.models_file)),
        ("TEMPLATES_DIR", path(&providers.templates_dir)),
    ]
}
