//! AMF 0, the values of RTMP's commands (Adobe, "Action Message Format -- AMF 0"), as far as a player needs them.
//! Whatever a server sends is bounded in depth: it is read on a stack that every stream of the worker shares.

/// Deepest nesting that is read; servers send two.
const MAX_DEPTH: usize = 8;
/// Most values of a message, nested ones included.
const MAX_VALUES: usize = 1_000;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Number(f64),
    Boolean(bool),
    Text(String),
    /// Objects and arrays with names.
    Object(Vec<(String, Self)>),
    Array(Vec<Self>),
    /// Null, undefined, and what players have no use for.
    Null,
}

impl Value {
    /// The number, if it is one.
    pub(super) const fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The text of a field of an object.
    pub(super) fn text_of(&self, name: &str) -> Option<&str> {
        let Self::Object(fields) = self else { return None };
        fields.iter().find_map(|(field, value)| match value {
            Self::Text(text) if field == name => Some(text.as_str()),
            _ => None,
        })
    }
}

/// Appends a value.
pub(super) fn write(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Number(number) => {
            out.push(0);
            out.extend(number.to_be_bytes());
        }
        Value::Boolean(is) => out.extend([1, u8::from(*is)]),
        Value::Text(text) => {
            out.push(2);
            write_name(out, text);
        }
        Value::Object(fields) => {
            out.push(3);
            for (name, value) in fields {
                write_name(out, name);
                write(out, value);
            }
            out.extend([0, 0, 9]);
        }
        Value::Array(values) => {
            out.push(10);
            out.extend(u32::try_from(values.len()).unwrap_or(u32::MAX).to_be_bytes());
            values.iter().for_each(|value| write(out, value));
        }
        Value::Null => out.push(5),
    }
}

/// At most 65,535 bytes of it: what we write is far shorter.
fn write_name(out: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    out.extend(length.to_be_bytes());
    out.extend(&text.as_bytes()[..usize::from(length)]);
}

/// All values of a message; `None` if it is malformed, too deep or too long.
pub(super) fn read(bytes: &[u8]) -> Option<Vec<Value>> {
    let mut reader = Reader {
        bytes,
        left: MAX_VALUES,
    };
    let mut values = Vec::new();
    while !reader.bytes.is_empty() {
        values.push(reader.value(MAX_DEPTH)?);
    }
    Some(values)
}

struct Reader<'a> {
    bytes: &'a [u8],
    left: usize,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Option<Value> {
        self.left = self.left.checked_sub(1)?;
        let depth = depth.checked_sub(1)?;
        Some(match self.take(1)?[0] {
            0 => Value::Number(f64::from_be_bytes(self.take(8)?.try_into().ok()?)),
            1 => Value::Boolean(self.take(1)?[0] != 0),
            2 => Value::Text(self.text()?),
            3 => Value::Object(self.fields(depth)?),
            // Null, undefined.
            5 | 6 => Value::Null,
            8 => {
                // How many there are is a hint only: the end is marked.
                self.take(4)?;
                Value::Object(self.fields(depth)?)
            }
            10 => {
                let count = u32::from_be_bytes(self.take(4)?.try_into().ok()?);
                let values: Option<Vec<_>> = (0..count).map(|_| self.value(depth)).collect();
                Value::Array(values?)
            }
            // A date: milliseconds and a time zone.
            11 => {
                self.take(10)?;
                Value::Null
            }
            12 => {
                let length = u32::from_be_bytes(self.take(4)?.try_into().ok()?);
                let text = self.take(usize::try_from(length).ok()?)?;
                Value::Text(String::from_utf8_lossy(text).into_owned())
            }
            _ => return None,
        })
    }

    fn fields(&mut self, depth: usize) -> Option<Vec<(String, Value)>> {
        let mut fields = Vec::new();
        loop {
            let name = self.text()?;
            if name.is_empty() && self.bytes.first() == Some(&9) {
                self.take(1)?;
                return Some(fields);
            }
            fields.push((name, self.value(depth)?));
        }
    }

    fn text(&mut self) -> Option<String> {
        let length = u16::from_be_bytes(self.take(2)?.try_into().ok()?);
        let text = self.take(usize::from(length))?;
        Some(String::from_utf8_lossy(text).into_owned())
    }

    fn take(&mut self, count: usize) -> Option<&[u8]> {
        let (taken, rest) = self.bytes.split_at_checked(count)?;
        self.bytes = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn what_is_written_is_read_back() {
        let values = vec![
            text("connect"),
            Value::Number(1.0),
            Value::Object(vec![
                ("app".to_owned(), text("live")),
                ("fpad".to_owned(), Value::Boolean(false)),
                ("deep".to_owned(), Value::Object(vec![("x".to_owned(), Value::Null)])),
            ]),
            Value::Array(vec![Value::Number(-2.5), text("")]),
        ];
        let mut bytes = Vec::new();
        values.iter().for_each(|value| write(&mut bytes, value));
        assert_eq!(read(&bytes), Some(values.clone()));
        assert_eq!(values[2].text_of("app"), Some("live"));
        assert!((0..bytes.len()).all(|end| read(&bytes[..end]).is_none_or(|read| read.len() < values.len())));
    }

    /// Nested without end it would take the stack of a thread, and with it the worker.
    #[test]
    fn nesting_and_counts_are_bounded() {
        let nested: Vec<u8> = [3, 0, 1, b'a'].into_iter().cycle().take(400_000).collect();
        assert_eq!(read(&nested), None);
        let arrays: Vec<u8> = [10, 0, 0, 0, 1].into_iter().cycle().take(400_000).collect();
        assert_eq!(read(&arrays), None);
        let many = [vec![10, 0xff, 0xff, 0xff, 0xff], vec![5; 100_000]].concat();
        assert_eq!(read(&many), None);
    }

    #[test]
    fn arrays_with_names_dates_and_long_texts_are_read() {
        let named = [8, 0, 0, 0, 9, 0, 1, b'w', 0, 0x40, 0x94, 0, 0, 0, 0, 0, 0, 0, 0, 9];
        let read_one = |bytes: &[u8]| read(bytes).and_then(|values| values.into_iter().next());
        assert_eq!(
            read_one(&named),
            Some(Value::Object(vec![("w".to_owned(), Value::Number(1_280.0))]))
        );
        assert_eq!(read_one(&[11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), Some(Value::Null));
        assert_eq!(read_one(&[12, 0, 0, 0, 2, b'o', b'k']), Some(text("ok")));
        assert_eq!(read(&[17]), None, "AMF 3 is not taken");
    }
}
