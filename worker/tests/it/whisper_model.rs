//! A model for whisper.cpp, written byte by byte: one that always says the same words, whatever it hears. Its layers are
//! zero, so that what the decoder says at a place is what the embedding of that place says.

/// Size of the vocabulary of models that hear English only, and tokens in it.
const VOCABULARY: usize = 51_864;
const END_OF_TEXT: usize = 50_256;
/// The timestamp 0; each after it is 20 ms later.
const BEGIN: usize = 50_363;
const TICKS_A_SECOND: usize = 50;

const AUDIO_CONTEXT: usize = 1_500;
const TEXT_CONTEXT: usize = 448;
const STATE: usize = 16;
const LAYERS: usize = 4;
const MELS: usize = 80;
const BINS: usize = 201;
/// That weights are floats of 16 bits, and the only one of them that is not 0.
const HALF_PRECISION: usize = 1;
const ONE_HALF_PRECISION: u16 = 0x3c00;

/// The file's beginning.
const MAGIC: u32 = 0x6767_6d6c;

struct File(Vec<u8>);

impl File {
    fn number(&mut self, number: usize) {
        let number = u32::try_from(number).expect("numbers of the file are small");
        self.0.extend(number.to_le_bytes());
    }

    /// A tensor, its fastest dimension first: weights as floats of 16 bits, those of norms and all else as 32.
    fn tensor(&mut self, name: &str, dimensions: &[usize], value: impl Fn(usize) -> f32) {
        let is_half = name.ends_with(".weight") && !name.contains("ln");
        self.number(dimensions.len());
        self.number(name.len());
        self.number(usize::from(is_half));
        dimensions.iter().for_each(|length| self.number(*length));
        self.0.extend(name.as_bytes());
        for value in (0..dimensions.iter().product()).map(value) {
            if is_half {
                let half = if value == 0.0 { 0 } else { ONE_HALF_PRECISION };
                self.0.extend(half.to_le_bytes());
            } else {
                self.0.extend(value.to_le_bytes());
            }
        }
    }

    fn attention(&mut self, block: &str, name: &str) {
        for part in ["ln.weight", "ln.bias"] {
            self.tensor(&format!("{block}.{name}_{part}"), &[STATE], |_| 0.0);
        }
        for part in ["query", "key", "value", "out"] {
            self.tensor(&format!("{block}.{name}.{part}.weight"), &[STATE, STATE], |_| 0.0);
            if part != "key" {
                self.tensor(&format!("{block}.{name}.{part}.bias"), &[STATE], |_| 0.0);
            }
        }
    }

    fn block(&mut self, block: &str, is_decoder: bool) {
        self.attention(block, "attn");
        if is_decoder {
            self.attention(block, "cross_attn");
        }
        for part in ["mlp_ln.weight", "mlp_ln.bias", "mlp.2.bias"] {
            self.tensor(&format!("{block}.{part}"), &[STATE], |_| 0.0);
        }
        self.tensor(&format!("{block}.mlp.0.weight"), &[STATE, 4 * STATE], |_| 0.0);
        self.tensor(&format!("{block}.mlp.0.bias"), &[4 * STATE], |_| 0.0);
        self.tensor(&format!("{block}.mlp.2.weight"), &[4 * STATE, STATE], |_| 0.0);
    }
}

/// A model that says these words, with the spaces before them, in every second.
pub(crate) fn model_that_says(words: &[&str]) -> Vec<u8> {
    let mut file = File(Vec::new());
    file.0.extend(MAGIC.to_le_bytes());
    for number in [
        VOCABULARY,
        AUDIO_CONTEXT,
        STATE,
        1,
        LAYERS,
        TEXT_CONTEXT,
        STATE,
        1,
        LAYERS,
        MELS,
        HALF_PRECISION,
    ] {
        file.number(number);
    }
    file.number(MELS);
    file.number(BINS);
    file.0.extend(std::iter::repeat_n(0, 4 * MELS * BINS));
    // The first token is the blank that whisper.cpp looks for by its text.
    file.number(words.len() + 1);
    for text in std::iter::once(&" ").chain(words) {
        file.number(text.len());
        file.0.extend(text.as_bytes());
    }
    encoder(&mut file);
    let begin = std::iter::once(BEGIN);
    let script: Vec<usize> = begin
        .chain(1..=words.len())
        .chain([BEGIN + TICKS_A_SECOND, END_OF_TEXT])
        .collect();
    decoder(&mut file, &script);
    file.0
}

fn encoder(file: &mut File) {
    file.tensor("encoder.positional_embedding", &[STATE, AUDIO_CONTEXT], |_| 0.0);
    file.tensor("encoder.conv1.weight", &[3, MELS, STATE], |_| 0.0);
    file.tensor("encoder.conv1.bias", &[1, STATE], |_| 0.0);
    file.tensor("encoder.conv2.weight", &[3, STATE, STATE], |_| 0.0);
    file.tensor("encoder.conv2.bias", &[1, STATE], |_| 0.0);
    file.tensor("encoder.ln_post.weight", &[STATE], |_| 0.0);
    file.tensor("encoder.ln_post.bias", &[STATE], |_| 0.0);
    (0..LAYERS).for_each(|layer| file.block(&format!("encoder.blocks.{layer}"), false));
}

/// Says the script: a token of it has a dimension of its own, and each place points along that of its token.
fn decoder(file: &mut File, script: &[usize]) {
    assert!(script.len() < STATE, "a script has few tokens");
    let last = script.len() - 1;
    file.tensor("decoder.positional_embedding", &[STATE, TEXT_CONTEXT], |at| {
        let (place, dimension) = (at / STATE, at % STATE);
        if dimension == place.min(last) { 1_000.0 } else { 0.0 }
    });
    file.tensor("decoder.token_embedding.weight", &[STATE, VOCABULARY], |at| {
        let (token, dimension) = (at / STATE, at % STATE);
        if script.get(dimension) == Some(&token) {
            1.0
        } else {
            0.0
        }
    });
    file.tensor("decoder.ln.weight", &[STATE], |_| 10.0);
    file.tensor("decoder.ln.bias", &[STATE], |_| 0.0);
    (0..LAYERS).for_each(|layer| file.block(&format!("decoder.blocks.{layer}"), true));
}
