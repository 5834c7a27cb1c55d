//! What networks of the YOLO family answer: one tensor whose layout depends on the version that was exported.

/// Most rows of an export that has already suppressed what overlaps; usual are 100 to 300.
const MAX_FINAL_ROWS: usize = 1_000;
/// Values of a box.
const BOX: usize = 4;

/// Something that may be an object.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Candidate {
    /// `[left, top, right, bottom]` in pixels of the network's input.
    pub(super) corners: [f32; 4],
    /// Number of its class.
    pub(super) class: usize,
    /// 0 to 1.
    pub(super) confidence: f32,
}

/// How a tensor is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// `[1, 4 + classes, n]`, as versions 8, 9, 11 and 12 have it: a column a candidate, boxes by their middle.
    Columns {
        /// Values of a candidate.
        values: usize,
        /// Candidates.
        count: usize,
    },
    /// `[1, n, 5 + classes]`, as versions 5, 6 and 7 have it: a row a candidate, with how sure it is that there is anything.
    Rows {
        /// Candidates.
        count: usize,
        /// Values of a candidate.
        values: usize,
    },
    /// `[1, n, 6]`, as version 10 and exports with suppression have it: corners, confidence, class.
    Final {
        /// Candidates.
        count: usize,
    },
}

impl Layout {
    /// The layout of a shape; `labels` is how many classes the network says it has.
    pub(super) fn of(shape: &[i64], labels: Option<usize>) -> Result<Self, String> {
        let sizes: Vec<usize> = shape.iter().filter_map(|size| usize::try_from(*size).ok()).collect();
        let unknown = || {
            let classes = labels.map_or_else(|| "any number of".to_owned(), |labels| labels.to_string());
            format!(
                "the detector answers a tensor of {shape:?}; known are [1, 4 + classes, n], [1, n, 5 + classes] and \
                 [1, n, 6] for {classes} classes"
            )
        };
        let [1, a, b] = sizes[..] else { return Err(unknown()) };
        let (columns, rows) = (
            Self::Columns { values: a, count: b },
            Self::Rows { count: a, values: b },
        );
        let fits = match labels {
            _ if b == BOX + 2 && a <= MAX_FINAL_ROWS => Some(Self::Final { count: a }),
            Some(labels) if a == BOX + labels => Some(columns),
            Some(labels) if b == BOX + 1 + labels => Some(rows),
            Some(_) => None,
            // Without labels: there are more candidates than values of each.
            None if a > BOX && a < b => Some(columns),
            None if b > BOX + 1 && b < a => Some(rows),
            None => None,
        };
        fits.ok_or_else(unknown)
    }

    /// Whether what overlaps is suppressed already.
    pub(super) fn is_final(self) -> bool {
        matches!(self, Self::Final { .. })
    }

    /// The candidates of a tensor of this layout that are sure enough. What is no number is left out.
    pub(super) fn candidates(self, tensor: &[f32], least: f32) -> Vec<Candidate> {
        let all: Vec<Candidate> = match self {
            Self::Columns { values, count } => (0..count)
                .filter_map(|at| {
                    let value = |number: usize| tensor.get(number * count + at).copied();
                    by_middle(value, BOX..values, 1.0)
                })
                .collect(),
            Self::Rows { values, .. } => tensor
                .chunks_exact(values)
                .filter_map(|row| by_middle(|number| row.get(number).copied(), BOX + 1..values, row[BOX]))
                .collect(),
            Self::Final { .. } => tensor
                .chunks_exact(BOX + 2)
                .map(|row| Candidate {
                    corners: [row[0], row[1], row[2], row[3]],
                    class: row[5].max(0.0) as usize,
                    confidence: row[4],
                })
                .collect(),
        };
        let sure = all.into_iter().filter(|candidate| {
            let sound = candidate.corners.iter().all(|value| value.is_finite());
            sound && candidate.confidence >= least
        });
        let certain = |candidate: Candidate| Candidate {
            confidence: candidate.confidence.min(1.0),
            ..candidate
        };
        sure.map(certain).collect()
    }
}

/// The best class of a candidate whose box is told by its middle and size.
fn by_middle(
    value: impl Fn(usize) -> Option<f32>,
    classes: std::ops::Range<usize>,
    anything: f32,
) -> Option<Candidate> {
    let [x, y, width, height] = [value(0)?, value(1)?, value(2)?, value(3)?];
    let mut best = (0, f32::NEG_INFINITY);
    for (class, number) in classes.enumerate() {
        let score = value(number)?;
        if score > best.1 {
            best = (class, score);
        }
    }
    Some(Candidate {
        corners: [x - width / 2.0, y - height / 2.0, x + width / 2.0, y + height / 2.0],
        class: best.0,
        confidence: best.1 * anything,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_told_by_the_shape_and_the_number_of_classes() {
        let of = |shape: &[i64], labels| Layout::of(shape, labels).ok();
        let columns = Layout::Columns {
            values: 84,
            count: 8_400,
        };
        let rows = Layout::Rows {
            count: 25_200,
            values: 85,
        };
        for labels in [None, Some(80)] {
            assert_eq!(of(&[1, 84, 8_400], labels), Some(columns));
            assert_eq!(of(&[1, 25_200, 85], labels), Some(rows));
            assert_eq!(of(&[1, 300, 6], labels), Some(Layout::Final { count: 300 }));
        }
        // One class: rows of six are version 5's where there are too many of them to be the last word.
        assert_eq!(
            of(&[1, 25_200, 6], Some(1)),
            Some(Layout::Rows {
                count: 25_200,
                values: 6
            })
        );
        // More classes than candidates.
        assert_eq!(
            of(&[1, 604, 84], Some(600)),
            Some(Layout::Columns { values: 604, count: 84 })
        );
        for (shape, labels) in [
            (&[1, 84, 8_400][..], Some(3)),
            (&[1, 84], None),
            (&[2, 84, 8_400], None),
            (&[1, -1, 5], None),
        ] {
            let refused = Layout::of(shape, labels).expect_err("it fits nothing");
            assert!(refused.contains("[1, 4 + classes, n]"), "{refused}");
        }
    }

    #[test]
    fn all_layouts_say_the_same() {
        let expected = Candidate {
            corners: [10.0, 20.0, 30.0, 60.0],
            class: 1,
            confidence: 0.5,
        };
        // Two candidates of two classes each; the second is not sure enough.
        let columns = [20.0, 1.0, 40.0, 1.0, 20.0, 1.0, 40.0, 1.0, 0.25, 0.1, 0.5, 0.2];
        let read = Layout::Columns { values: 6, count: 2 }.candidates(&columns, 0.4);
        assert_eq!(read, [expected]);
        let rows = [
            20.0, 40.0, 20.0, 40.0, 0.625, 0.1, 0.8, 1.0, 1.0, 1.0, 1.0, 0.1, 0.9, 0.9,
        ];
        let read = Layout::Rows { count: 2, values: 7 }.candidates(&rows, 0.4);
        assert_eq!(read, [expected]);
        let last = [10.0, 20.0, 30.0, 60.0, 0.5, 1.0, 0.0, 0.0, 1.0, 1.0, 0.3, 0.0];
        let read = Layout::Final { count: 2 }.candidates(&last, 0.4);
        assert_eq!(read, [expected]);
    }

    #[test]
    fn numbers_that_are_none_and_tensors_that_are_cut_short_bring_nothing() {
        let bad = [f32::NAN, f32::INFINITY, 1.0, 1.0, 1.0, 0.9];
        assert!(Layout::Rows { count: 1, values: 6 }.candidates(&bad, 0.1).is_empty());
        let unsure = [1.0, 1.0, 1.0, 1.0, f32::NAN, 0.9];
        assert!(Layout::Rows { count: 1, values: 6 }.candidates(&unsure, 0.1).is_empty());
        assert!(
            Layout::Columns { values: 6, count: 9 }
                .candidates(&[1.0; 20], 0.1)
                .is_empty()
        );
    }
}
