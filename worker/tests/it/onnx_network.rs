//! A small network, written byte by byte as an ONNX file: it finds red and blue squares, and answers in the layouts that
//! exports of the YOLO family have. Real work for a real runtime, without weights of anybody's.

/// Width and height of the network's input, pixels.
pub(crate) const EDGE: i64 = 64;
/// Width and height of the cells that it looks at, pixels of its input.
pub(crate) const CELL: i64 = 8;
const CELLS: i64 = EDGE / CELL;

/// What is exported.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Export {
    /// Rows with a value for "anything at all", as version 5 has them, instead of columns.
    pub(crate) rows: bool,
    /// Whether the names of the classes stand in the file.
    pub(crate) names: bool,
}

/// The file: cells are averaged, a cell's redness and blueness are its scores, and its place is its box.
pub(crate) fn network(export: Export) -> Vec<u8> {
    let count = CELLS * CELLS;
    let values = if export.rows { 7 } else { 6 };
    let mut graph = Message::default();
    // The mean of each channel in each cell.
    graph.message(
        1,
        &node(
            "AveragePool",
            &["images"],
            "cells",
            &[ints("kernel_shape", &[CELL; 2]), ints("strides", &[CELL; 2])],
        ),
    );
    // Red less green and blue; blue less green and red.
    graph.message(
        1,
        &node("Conv", &["cells", "weights"], "tints", &[ints("kernel_shape", &[1, 1])]),
    );
    graph.message(1, &node("Relu", &["tints"], "scores", &[]));
    graph.message(1, &node("Reshape", &["scores", "flat"], "classes", &[]));
    let parts: &[&str] = if export.rows {
        &["boxes", "anything", "classes"]
    } else {
        &["boxes", "classes"]
    };
    let whole = if export.rows { "columns" } else { "output0" };
    graph.message(1, &node("Concat", parts, whole, &[int("axis", 1)]));
    if export.rows {
        graph.message(
            1,
            &node("Transpose", &["columns"], "output0", &[ints("perm", &[0, 2, 1])]),
        );
    }
    graph.text(2, "squares");
    let weights = [1.0, -1.0, -1.0, -1.0, -1.0, 1.0];
    graph.message(5, &floats("weights", &[2, 3, 1, 1], &weights));
    graph.message(5, &longs("flat", &[1, 2, count]));
    graph.message(5, &floats("boxes", &[1, 4, count], &boxes()));
    graph.message(5, &floats("anything", &[1, 1, count], &vec![1.0; count as usize]));
    graph.message(11, &tensor_of("images", &[1, 3, EDGE, EDGE]));
    let shape = if export.rows {
        [1, count, values]
    } else {
        [1, values, count]
    };
    graph.message(12, &tensor_of("output0", &shape));
    let mut model = Message::default();
    model.number(1, 8);
    model.message(7, &graph);
    let mut opset = Message::default();
    opset.number(2, 13);
    model.message(8, &opset);
    if export.names {
        let mut names = Message::default();
        names.text(1, "names");
        names.text(2, "{0: 'red square', 1: 'blue square'}");
        model.message(14, &names);
    }
    model.0
}

/// Middle and size of each cell: all x, all y, all widths, all heights.
fn boxes() -> Vec<f32> {
    let middles = |of: fn(i64) -> i64| (0..CELLS * CELLS).map(move |cell| (of(cell) * CELL + CELL / 2) as f32);
    let sizes = std::iter::repeat_n(CELL as f32, (2 * CELLS * CELLS) as usize);
    middles(|cell| cell % CELLS)
        .chain(middles(|cell| cell / CELLS))
        .chain(sizes)
        .collect()
}

/// A message of protocol buffers. The numbers of fields are those of ONNX' own definition.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn number(&mut self, field: u64, value: i64) {
        self.varint(field << 3);
        self.varint(value as u64);
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn text(&mut self, field: u64, text: &str) {
        self.bytes(field, text.as_bytes());
    }

    fn message(&mut self, field: u64, message: &Self) {
        self.bytes(field, &message.0);
    }
}

fn node(operator: &str, inputs: &[&str], output: &str, attributes: &[Message]) -> Message {
    let mut node = Message::default();
    inputs.iter().for_each(|input| node.text(1, input));
    node.text(2, output);
    node.text(4, operator);
    attributes.iter().for_each(|attribute| node.message(5, attribute));
    node
}

fn int(name: &str, value: i64) -> Message {
    let mut attribute = Message::default();
    attribute.text(1, name);
    attribute.number(3, value);
    attribute.number(20, 2);
    attribute
}

fn ints(name: &str, values: &[i64]) -> Message {
    let mut attribute = Message::default();
    attribute.text(1, name);
    values.iter().for_each(|value| attribute.number(8, *value));
    attribute.number(20, 7);
    attribute
}

fn initializer(name: &str, shape: &[i64], kind: i64, bytes: &[u8]) -> Message {
    let mut tensor = Message::default();
    shape.iter().for_each(|size| tensor.number(1, *size));
    tensor.number(2, kind);
    tensor.text(8, name);
    tensor.bytes(9, bytes);
    tensor
}

fn floats(name: &str, shape: &[i64], values: &[f32]) -> Message {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    initializer(name, shape, 1, &bytes)
}

fn longs(name: &str, values: &[i64]) -> Message {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    initializer(name, &[values.len() as i64], 7, &bytes)
}

/// A named input or output of 32-bit floats.
fn tensor_of(name: &str, shape: &[i64]) -> Message {
    let mut sizes = Message::default();
    for size in shape {
        let mut one = Message::default();
        one.number(1, *size);
        sizes.message(1, &one);
    }
    let mut tensor = Message::default();
    tensor.number(1, 1);
    tensor.message(2, &sizes);
    let mut kind = Message::default();
    kind.message(1, &tensor);
    let mut value = Message::default();
    value.text(1, name);
    value.message(2, &kind);
    value
}
