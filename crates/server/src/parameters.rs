//! Query parameters of the legacy protocols. Each action declares those that its reference describes,
//! so that none of them is ignored. Unknown parameters are ignored, as the clouds did.

/// A query parameter of an action.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) values: Values,
}

/// The values that a parameter can have.
#[derive(Clone, Copy, Debug)]
pub(super) enum Values {
    /// Any text; the handler parses it.
    Any,
    /// `true` or `false`, in any case.
    Flag,
    /// A whole number from 0, without a decimal point.
    Number,
    /// One of these, in any case.
    OneOf(&'static [&'static str]),
}

impl Parameter {
    /// Creates a query parameter with a name and the values that it may have.
    pub(super) const fn new(name: &'static str, values: Values) -> Self {
        Self { name, values }
    }

    /// Returns whether a value is one of the parameter's values, in any case. Numbers are whole, not
    /// negative, and fit into 64 bits.
    fn admits(self, value: &str) -> bool {
        let is = |known: &&str| value.eq_ignore_ascii_case(known);
        match self.values {
            Values::Any => true,
            Values::Flag => ["true", "false"].iter().any(is),
            Values::Number => value.parse::<u64>().is_ok(),
            Values::OneOf(known) => known.iter().any(is),
        }
    }
}

/// Returns the first declared parameter whose value is not one of its values, and the value; `None`
/// if there is none. `get` returns a parameter's value. An empty value counts as missing.
pub(super) fn invalid<'q>(
    declared: &[&'static [Parameter]],
    get: impl Fn(&str) -> Option<&'q str>,
) -> Option<(Parameter, &'q str)> {
    declared.iter().copied().flatten().find_map(|parameter| {
        let value = get(parameter.name).filter(|value| !value.is_empty())?;
        (!parameter.admits(value)).then_some((*parameter, value))
    })
}

#[cfg(test)]
pub(super) mod walk;
