//! The worker opens the network and links no decoder; the child decodes. Told by the linker and by cargo.

use std::process::Command;

/// Beginnings of the names of libraries and packages that decode media.
const DECODERS: [&str; 15] = [
    "image",
    "png",
    "tiff",
    "gif",
    "zune",
    "rxing",
    "tesseract",
    "lept",
    "av",
    "sw",
    "ffmpeg",
    "opencv",
    "onnxruntime",
    "ort",
    "rustface",
];

fn output_of(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {complaint}");
    String::from_utf8(output.stdout).expect("the tool writes text")
}

#[cfg(target_os = "linux")]
#[test]
fn the_worker_is_linked_with_no_media_library() {
    let libraries = output_of(Command::new("ldd").arg(env!("CARGO_BIN_EXE_zoetrope-worker")));
    let names = libraries.lines().filter_map(|line| line.split_whitespace().next());
    let found: Vec<&str> = names
        .filter(|name| {
            DECODERS
                .iter()
                .any(|decoder| name.trim_start_matches("lib").starts_with(decoder))
        })
        .collect();
    assert_eq!(found, Vec::<&str>::new(), "zoetrope-worker links a media library");
    let child = output_of(Command::new("ldd").arg(env!("CARGO_BIN_EXE_zoetrope-media")));
    assert!(
        child.contains("libtesseract"),
        "zoetrope-media should link tesseract: {child}"
    );
}

#[test]
fn without_the_feature_media_the_crate_depends_on_no_decoder() {
    let tree = output_of(
        Command::new(env!("CARGO"))
            .args([
                "tree",
                "--offline",
                "--package",
                "zoetrope-worker",
                "--no-default-features",
            ])
            .args(["--edges", "normal", "--prefix", "none", "--format", "{p}"])
            .current_dir(env!("CARGO_MANIFEST_DIR")),
    );
    let packages: Vec<&str> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(
        packages.contains(&"zoetrope-queue"),
        "the tree should be the worker's: {tree}"
    );
    // `imagesize` reads headers and decodes nothing.
    let decodes = |name: &&str| {
        let allowed = ["imagesize"];
        !allowed.contains(name) && DECODERS.iter().any(|decoder| name.starts_with(decoder))
    };
    assert_eq!(
        packages.into_iter().filter(decodes).collect::<Vec<_>>(),
        Vec::<&str>::new()
    );
}
