//! The calendars of CF, and the civil dates of a moment in each.

/// A calendar of the CF conventions (section 4.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Calendar {
    /// `standard` (`gregorian`): Julian up to 1582-10-04, Gregorian from 1582-10-15.
    Standard,
    /// `proleptic_gregorian`, and `utc` and `tai` as far as days go.
    ProlepticGregorian,
    /// `julian`.
    Julian,
    /// `noleap`, `365_day`.
    NoLeap,
    /// `all_leap`, `366_day`.
    AllLeap,
    /// `360_day`.
    Day360,
}
