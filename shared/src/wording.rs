//! How what was found in a picture is said in a sentence. It makes nothing up.

use crate::tasks::image_analysis::Color;

/// Longest piece of text in a sentence, characters.
const MAX_QUOTE_CHARS: usize = 200;
/// Colours below this share are not named.
const NAMED_SHARE: f32 = 0.12;
/// Most colours in a sentence.
const NAMED_COLORS: usize = 3;

/// Text as it stands in a sentence: on one line, cut.
pub fn quote(text: &str) -> String {
    let joined = text.trim_end().lines().collect::<Vec<_>>().join(" / ");
    if joined.chars().nth(MAX_QUOTE_CHARS).is_none() {
        return joined;
    }
    let start: String = joined.chars().take(MAX_QUOTE_CHARS).collect();
    format!("{}\u{2026}", start.trim_end())
}

/// Names of the largest colours, each once; `None` if none is large.
pub fn colors(colors: &[Color]) -> Option<String> {
    let mut names: Vec<&str> = Vec::new();
    for name in colors
        .iter()
        .filter(|color| color.share >= NAMED_SHARE)
        .filter_map(|color| name_of(&color.hex))
    {
        if !names.contains(&name) && names.len() < NAMED_COLORS {
            names.push(name);
        }
    }
    let (last, others) = names.split_last()?;
    Some(if others.is_empty() {
        (*last).to_owned()
    } else {
        format!("{} and {last}", others.join(", "))
    })
}

/// What people call a colour.
fn name_of(hex: &str) -> Option<&'static str> {
    let packed = u32::from_str_radix(hex.strip_prefix('#')?, 16).ok()?;
    let [_, r, g, b] = packed.to_be_bytes().map(f32::from);
    let (most, least) = (r.max(g).max(b), r.min(g).min(b));
    let spread = most - least;
    if spread < 28.0 || spread / most.max(1.0) < 0.14 {
        return Some(match most {
            most if most < 40.0 => "black",
            most if most < 100.0 => "dark grey",
            most if most < 180.0 => "grey",
            most if most < 232.0 => "light grey",
            _ => "white",
        });
    }
    let sixth = if most == r {
        ((g - b) / spread).rem_euclid(6.0)
    } else if most == g {
        (b - r) / spread + 2.0
    } else {
        (r - g) / spread + 4.0
    };
    let dark = most < 130.0;
    Some(match (sixth * 60.0, dark) {
        (hue, true) if (15.0..50.0).contains(&hue) => "brown",
        (hue, _) if !(15.0..345.0).contains(&hue) => "red",
        (hue, _) if hue < 45.0 => "orange",
        (hue, _) if hue < 70.0 => "yellow",
        (hue, _) if hue < 165.0 => "green",
        (hue, _) if hue < 200.0 => "turquoise",
        (hue, _) if hue < 260.0 => "blue",
        (hue, _) if hue < 295.0 => "purple",
        _ => "pink",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_have_the_names_that_people_use() {
        let table = [
            ("#000000", "black"),
            ("#808080", "grey"),
            ("#ffffff", "white"),
            ("#cc2020", "red"),
            ("#1040d0", "blue"),
            ("#20a040", "green"),
            ("#ffcc00", "yellow"),
            ("#ff8000", "orange"),
            ("#603010", "brown"),
            ("#8030c0", "purple"),
        ];
        for (hex, name) in table {
            assert_eq!(name_of(hex), Some(name), "{hex}");
        }
        assert_eq!(name_of("nonsense"), None);
    }
}
