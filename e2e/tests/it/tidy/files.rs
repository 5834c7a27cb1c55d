//! Reads the project's own files: those that are no build output and no data.

use std::path::{Path, PathBuf};

/// Folders that hold nothing written by us.
const SKIPPED: [&str; 5] = ["target", ".git", "data", "book", "assets"];
const EXTENSIONS: [&str; 7] = ["rs", "lua", "md", "toml", "yml", "yaml", "html"];
/// Files without an extension that are text of ours.
const NAMES: [&str; 10] = [
    "Makefile",
    "NOTICE",
    "run",
    "setup",
    "docker-test",
    "Dockerfile.api",
    "Dockerfile.worker",
    ".dockerignore",
    ".env.example",
    ".gitignore",
];

/// A text file of the project.
#[derive(Debug)]
pub(super) struct File {
    /// Below the root, with `/`.
    pub(super) path: String,
    pub(super) text: String,
}

/// The folder of the workspace.
pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("a crate should be below the workspace")
        .to_owned()
}

/// Every text file of ours, in order.
pub(super) fn all() -> Vec<File> {
    let root = root();
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)
            .expect("folders of the project should be readable")
            .flatten()
        {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if path.is_dir() && !SKIPPED.contains(&name.as_str()) {
                folders.push(path);
            } else if path.is_file() && is_ours(&path, &name) {
                let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                let path = path
                    .strip_prefix(&root)
                    .expect("it was found below the root")
                    .display()
                    .to_string();
                found.push(File { path, text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Files with this extension.
pub(super) fn with_extension(extension: &str) -> Vec<File> {
    all()
        .into_iter()
        .filter(|file| file.path.ends_with(&format!(".{extension}")))
        .collect()
}

/// One file by its path.
pub(super) fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path} should be there: {error}"))
}

fn is_ours(path: &Path, name: &str) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    NAMES.contains(&name) || extension.is_some_and(|extension| EXTENSIONS.contains(&extension))
}
