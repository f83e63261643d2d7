//! Calendars against tables (checked with cftime 1.6.6 and NumPy), and days and dates against each other.

use proptest::prelude::*;

use super::Calendar::{self, AllLeap, Day360, Julian, NoLeap, ProlepticGregorian, Standard};

const ALL: [Calendar; 6] = [Standard, ProlepticGregorian, Julian, NoLeap, AllLeap, Day360];
