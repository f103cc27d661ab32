//! What is bound to a statement and read from a row: five kinds of value, borrowed from where they are.

use super::{Error, Result};

/// A value on its way into a statement or out of a row. Nothing is copied to make one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'v> {
    Null,
    Int(i64),
    Text(&'v str),
    Bytes(&'v [u8]),
}

impl<'v> Value<'v> {
    /// The text, if it is one.
    pub fn as_str(self) -> Result<&'v str> {
        match self {
            Self::Text(text) => Ok(text),
            other => Err(other.is_not("text")),
        }
    }

    fn is_not(self, wanted: &'static str) -> Error {
        let found = match self {
            Self::Null => "nothing",
            Self::Int(_) => "a number",
            Self::Text(_) => "text",
            Self::Bytes(_) => "bytes",
        };
        Error::Kind { found, wanted }
    }
}

/// What can be bound to a parameter.
pub trait ToSql {
    /// As a value of the database. Fails for numbers no column can hold.
    fn to_sql(&self) -> Result<Value<'_>>;
}

/// What can be read from a column.
pub trait FromSql: Sized {
    /// From a value of the database. Fails when it is of another kind or too large.
    fn from_sql(value: Value<'_>) -> Result<Self>;
}

impl<T: ToSql + ?Sized> ToSql for &T {
    fn to_sql(&self) -> Result<Value<'_>> {
        (**self).to_sql()
    }
}

impl<T: ToSql> ToSql for Option<T> {
    fn to_sql(&self) -> Result<Value<'_>> {
        self.as_ref().map_or(Ok(Value::Null), ToSql::to_sql)
    }
}

impl<T: FromSql> FromSql for Option<T> {
    fn from_sql(value: Value<'_>) -> Result<Self> {
        match value {
            Value::Null => Ok(None),
            value => T::from_sql(value).map(Some),
        }
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl ToSql for $number {
            fn to_sql(&self) -> Result<Value<'_>> {
                i64::try_from(*self).map(Value::Int).map_err(|_| Error::Number)
            }
        }
        impl FromSql for $number {
            fn from_sql(value: Value<'_>) -> Result<Self> {
                match value {
                    Value::Int(number) => Self::try_from(number).map_err(|_| Error::Number),
                    other => Err(other.is_not("a number")),
                }
            }
        }
    )*};
}
numbers!(i64, u32, u64);

impl ToSql for bool {
    fn to_sql(&self) -> Result<Value<'_>> {
        Ok(Value::Int(i64::from(*self)))
    }
}

impl FromSql for bool {
    fn from_sql(value: Value<'_>) -> Result<Self> {
        match value {
            Value::Int(number) => Ok(number != 0),
            other => Err(other.is_not("a number")),
        }
    }
}

impl ToSql for str {
    fn to_sql(&self) -> Result<Value<'_>> {
        Ok(Value::Text(self))
    }
}

impl ToSql for String {
    fn to_sql(&self) -> Result<Value<'_>> {
        Ok(Value::Text(self))
    }
}

impl FromSql for String {
    fn from_sql(value: Value<'_>) -> Result<Self> {
        value.as_str().map(str::to_owned)
    }
}

impl ToSql for [u8] {
    fn to_sql(&self) -> Result<Value<'_>> {
        Ok(Value::Bytes(self))
    }
}

impl<const N: usize> ToSql for [u8; N] {
    fn to_sql(&self) -> Result<Value<'_>> {
        Ok(Value::Bytes(self))
    }
}

impl<const N: usize> FromSql for [u8; N] {
    fn from_sql(value: Value<'_>) -> Result<Self> {
        match value {
            Value::Bytes(bytes) => bytes.try_into().map_err(|_| Error::Number),
            other => Err(other.is_not("bytes")),
        }
    }
}

impl ToSql for Vec<u8> {
    fn to_sql(&self) -> Result<Value<'_>> {
        Ok(Value::Bytes(self))
    }
}

impl FromSql for Vec<u8> {
    fn from_sql(value: Value<'_>) -> Result<Self> {
        match value {
            Value::Bytes(bytes) => Ok(bytes.to_owned()),
            other => Err(other.is_not("bytes")),
        }
    }
}

impl ToSql for std::borrow::Cow<'_, [u8]> {
    fn to_sql(&self) -> Result<Value<'_>> {
        Ok(Value::Bytes(self))
    }
}

/// A value that owns what it holds, for statements put together at run time.
#[derive(Clone, Debug, PartialEq)]
pub enum Owned {
    Null,
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

impl ToSql for Owned {
    fn to_sql(&self) -> Result<Value<'_>> {
        Ok(match self {
            Self::Null => Value::Null,
            Self::Int(number) => Value::Int(*number),
            Self::Text(text) => Value::Text(text),
            Self::Bytes(bytes) => Value::Bytes(bytes),
        })
    }
}

impl FromSql for Owned {
    fn from_sql(value: Value<'_>) -> Result<Self> {
        Ok(match value {
            Value::Null => Self::Null,
            Value::Int(number) => Self::Int(number),
            Value::Text(text) => Self::Text(text.to_owned()),
            Value::Bytes(bytes) => Self::Bytes(bytes.to_owned()),
        })
    }
}

impl From<i64> for Owned {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<String> for Owned {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// What takes the parameters of a statement, one after the other.
pub trait Sink<'p> {
    /// Takes the next one.
    fn put(&mut self, value: Value<'p>) -> Result<()>;
}

/// All parameters of a statement, for `?1`, `?2` and so on.
pub trait Params {
    /// Hands them over in order.
    fn bind<'p>(&'p self, sink: &mut impl Sink<'p>) -> Result<()>;
}

impl Params for [&dyn ToSql; 0] {
    fn bind<'p>(&'p self, _: &mut impl Sink<'p>) -> Result<()> {
        Ok(())
    }
}

macro_rules! arrays {
    ($($length:literal),*) => {$(
        impl<T: ToSql> Params for [T; $length] {
            fn bind<'p>(&'p self, sink: &mut impl Sink<'p>) -> Result<()> {
                self.iter().try_for_each(|param| sink.put(param.to_sql()?))
            }
        }
    )*};
}
arrays!(1, 2, 3, 4);

impl Params for &[&dyn ToSql] {
    fn bind<'p>(&'p self, sink: &mut impl Sink<'p>) -> Result<()> {
        self.iter().try_for_each(|param| sink.put(param.to_sql()?))
    }
}

impl Params for Vec<Owned> {
    fn bind<'p>(&'p self, sink: &mut impl Sink<'p>) -> Result<()> {
        self.iter().try_for_each(|param| sink.put(param.to_sql()?))
    }
}

macro_rules! tuples {
    ($($param:ident)*) => {
        impl<$($param: ToSql),*> Params for ($($param,)*) {
            #[expect(non_snake_case, reason = "one name for the type and the value")]
            fn bind<'p>(&'p self, sink: &mut impl Sink<'p>) -> Result<()> {
                let ($($param,)*) = self;
                $(sink.put($param.to_sql()?)?;)*
                Ok(())
            }
        }
    };
}
tuples!(A B C D E F G H I J K L M N O P);

/// Some parameters and one more.
pub struct And<P, T>(pub P, pub T);

impl<P: Params, T: ToSql> Params for And<P, T> {
    fn bind<'p>(&'p self, sink: &mut impl Sink<'p>) -> Result<()> {
        self.0.bind(sink)?;
        sink.put(self.1.to_sql()?)
    }
}

/// Parameters of different types.
macro_rules! params {
    ($($param:expr),* $(,)?) => {
        &[$(&$param as &dyn $crate::sql::ToSql),*] as &[&dyn $crate::sql::ToSql]
    };
}
pub(crate) use params;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_column_can_hold_is_refused_and_not_wrapped() {
        assert!(matches!(u64::MAX.to_sql(), Err(Error::Number)));
        assert_eq!((i64::MAX as u64).to_sql().unwrap(), Value::Int(i64::MAX));
        assert!(matches!(u64::from_sql(Value::Int(-1)), Err(Error::Number)));
        assert!(matches!(u32::from_sql(Value::Int(1 << 32)), Err(Error::Number)));
        assert!(matches!(<[u8; 2]>::from_sql(Value::Bytes(&[1])), Err(Error::Number)));
    }

    #[test]
    fn another_kind_of_value_is_an_error_and_nothing_is_one_too() {
        assert!(matches!(String::from_sql(Value::Int(1)), Err(Error::Kind { .. })));
        assert!(matches!(i64::from_sql(Value::Text("1")), Err(Error::Kind { .. })));
        assert!(matches!(i64::from_sql(Value::Null), Err(Error::Kind { found: "nothing", .. })));
        assert_eq!(Option::<i64>::from_sql(Value::Null).unwrap(), None);
        assert!(bool::from_sql(Value::Int(1)).unwrap());
    }
}
