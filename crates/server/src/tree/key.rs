//! Keys of database rows, as distinct types.

use std::{fmt, num::ParseIntError, str::FromStr};

use serde::{Deserialize, Serialize};
use sqlx::{
    Any, Database, Decode, Encode, Type, any::AnyTypeInfo, encode::IsNull, error::BoxDynError,
};

macro_rules! key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            /// Writes the key in decimal.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIntError;

            /// Parses a key in decimal.
            ///
            /// # Errors
            /// `ParseIntError` if the text is not a 64-bit integer.
            fn from_str(text: &str) -> Result<Self, ParseIntError> {
                text.parse().map(Self)
            }
        }

        impl Type<Any> for $name {
            /// Returns the column type, `BIGINT`.
            fn type_info() -> AnyTypeInfo {
                <i64 as Type<Any>>::type_info()
            }

            /// Returns whether a column of the type can have a key.
            fn compatible(info: &AnyTypeInfo) -> bool {
                <i64 as Type<Any>>::compatible(info)
            }
        }

        impl Encode<'_, Any> for $name {
            /// Binds the key as an integer.
            ///
            /// # Errors
            /// Never.
            fn encode_by_ref(
                &self,
                buffer: &mut <Any as Database>::ArgumentBuffer,
            ) -> Result<IsNull, BoxDynError> {
                <i64 as Encode<'_, Any>>::encode_by_ref(&self.0, buffer)
            }
        }

        impl<'r> Decode<'r, Any> for $name {
            /// Reads the key from an integer column.
            ///
            /// # Errors
            /// The database driver's error if the value is not an integer.
            fn decode(value: <Any as Database>::ValueRef<'r>) -> Result<Self, BoxDynError> {
                <i64 as Decode<'r, Any>>::decode(value).map(Self)
            }
        }
    };
}

key! {
    /// The number of an item, unique in its drive.
    ItemKey
}

key! {
    /// The number of a drive, unique in the server.
    DriveKey
}
