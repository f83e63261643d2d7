//! The one table of findings: what each kind means, how bad it is, from which level on it is looked for, and what to do.

use zwire::{Failure, Severity, did_you_mean};

use crate::level::Level;

/// What is known of a kind.
pub struct About {
    /// The kind.
    pub kind: Kind,
    /// Its name in records, `--check` and `--skip`.
    pub name: &'static str,
    /// How bad it usually is.
    pub severity: Severity,
    /// The first level that finds it.
    pub level: Level,
    /// What to do.
    pub hint: &'static str,
}

macro_rules! kinds {
    ($($kind:ident $name:literal $severity:ident $level:ident $meaning:literal $hint:literal;)*) => {
        /// Kinds of findings.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $(#[doc = $meaning] $kind,)*
        }

        /// All kinds, in the order in which they are looked for.
        pub const KINDS: &[About] = &[
            $(About {
                kind: Kind::$kind,
                name: $name,
                severity: Severity::$severity,
                level: Level::$level,
                hint: $hint,
            },)*
        ];

        /// One line for each kind.
        const TABLE: &str = concat!($($name, "\n    ", $meaning, "\n",)*);

        impl Kind {
            /// What is known of it.
            pub fn about(self) -> &'static About {
                &KINDS[self as usize]
            }
        }
    };
}

kinds! {
    MetadataInvalid "metadata_invalid" Error List
        "metadata of a node cannot be read"
        "restore the document from the source, or write the node again";
    MetadataNotUnderstood "metadata_not_understood" Warning List
        "an extension that must be understood is not"
        "read the array with the library that wrote it";
    UnknownCodec "unknown_codec" Warning List
        "a codec is not known"
        "read the array with the library that wrote it, or rewrite it with a registered codec";
    NullFillValue "null_fill_value" Info List
        "the fill value is null, so missing chunks have no defined value"
        "set \"fill_value\" in .zarray";
    DimensionSizes "dimension_sizes" Error List
        "variables disagree on the length of a dimension"
        "append to all variables of the dimension, or give one of the dimensions another name";
    DimensionWithoutCoordinate "dimension_without_coordinate" Info List
        "a dimension has no coordinate variable"
        "add a one-dimensional array named after the dimension";
    UnnamedDimensions "unnamed_dimensions" Info List
        "an array has no dimension names, so xarray cannot open it"
        "set dimension_names (Zarr v3) or the attribute _ARRAY_DIMENSIONS (v2)";
    ConsolidatedStale "consolidated_stale" Error List
        "consolidated metadata differs from the metadata of a node"
        "consolidate again: zarr.consolidate_metadata(store)";
    ConsolidatedUnusable "consolidated_unusable" Error List
        "consolidated metadata cannot be read"
        "consolidate again: zarr.consolidate_metadata(store)";
    NoChunks "no_chunks" Error List
        "no chunk of an array is stored"
        "fetch or write the array again";
    MissingSteps "missing_steps" Error List
        "all chunks of some steps along a dimension are missing"
        "fetch or write these steps again";
    MissingChunks "missing_chunks" Warning List
        "scattered chunks are missing"
        "fetch or write these chunks again";
    MissingNullFill "missing_null_fill" Error List
        "chunks are missing where the fill value is null: readers return undefined values"
        "fetch or write these chunks again, and set a fill value";
    TooFewChunks "too_few_chunks" Error List
        "fewer chunks are stored than --expect-chunks asks for"
        "fetch or write the array again";
    OutsideGrid "outside_grid" Warning List
        "chunk keys lie outside of the grid: readers never see them"
        "remove them, or restore the shape in the metadata if an append was lost";
    WrongSeparator "wrong_separator" Error List
        "chunk keys have the other separator: readers take the chunks for missing"
        "set \"dimension_separator\" (v2) or chunk_key_encoding (v3) to the separator of the keys";
    TemporaryFile "temporary_file" Warning List
        "a writer has left a temporary file behind"
        "check that no writer is running, then remove it";
    UnfinishedOutput "unfinished_output" Warning List
        "an unfinished output lies beside the store"
        "continue the run with --resume, or remove the .plan directory";
    UnknownKey "unknown_key" Info List
        "an object belongs to no node"
        "remove it if it is not needed";
    Link "link" Info List
        "a link leads out of the store"
        "copy what it leads to if the store is to be complete by itself";
    EmptyObject "empty_object" Error List
        "an object has 0 bytes"
        "fetch or write the chunk again";
    SmallObject "small_object" Info List
        "objects are much smaller than the others of the array"
        "check them with --level full";
    WrongSize "wrong_size" Error List
        "an object has a size that it cannot have"
        "fetch or write the chunk again";
    StoreTooSmall "store_too_small" Error List
        "the store is smaller than --min-size"
        "fetch the store again";
    LowRatio "low_ratio" Error List
        "the store is smaller than --min-ratio of its decoded size"
        "fetch the store again";
    Truncated "truncated" Error Header
        "a chunk ends before its header says"
        "fetch or write the chunk again";
    BadHeader "bad_header" Error Header
        "the header of a chunk contradicts itself"
        "fetch or write the chunk again";
    WrongCodec "wrong_codec" Error Header
        "a chunk is in another format than the metadata says"
        "write the chunk again, or correct the codec in the metadata";
    WrongNbytes "wrong_nbytes" Error Header
        "a chunk decodes to another size than the metadata says"
        "write the chunk again, or correct shape, data type and codecs in the metadata";
    BlockTable "block_table" Error Header
        "the block table of a chunk points outside of it"
        "fetch or write the chunk again";
    Typesize "typesize" Warning Header
        "the shuffle works on other elements than the array has, so chunks are larger than they need be"
        "recompress the array";
    ExtraBytes "extra_bytes" Info Header
        "a chunk has bytes after its frame"
        "none needed: readers ignore them";
    ShardIndex "shard_index" Error Header
        "the index of a shard is damaged"
        "fetch or write the shard again";
    ShardOverlap "shard_overlap" Error Header
        "inner chunks of a shard overlap"
        "write the shard again; parallel writers must each write whole shards";
    MissingInnerChunks "missing_inner_chunks" Info Header
        "inner chunks are missing from their shards"
        "fetch or write these chunks again if they are not all fill values";
    Undecodable "undecodable" Error Full
        "a chunk cannot be decoded"
        "fetch or write the chunk again";
    ChecksumMismatch "checksum_mismatch" Error Full
        "the checksum of a chunk does not match its bytes"
        "fetch or write the chunk again";
    TooLarge "too_large" Error Full
        "a chunk decodes to more bytes than the metadata says"
        "write the chunk again, or correct shape, data type and codecs in the metadata";
    ValuesNotChecked "values_not_checked" Info Full
        "chunks of an array are decoded, and its values are not looked at: a filter or the data type is not supported"
        "read the array with the library that wrote it to see its values";
    NanValues "nan_values" Info Full
        "some values are NaN"
        "none needed if the variable is masked; --max-nan VAR=SHARE sets a limit";
    TooManyNan "too_many_nan" Error Full
        "more values are NaN than --max-nan allows"
        "fetch or write the array again";
    AllNan "all_nan" Error Full
        "all stored values are NaN or the fill value"
        "fetch or write the array again";
    NanSteps "nan_steps" Error Full
        "all values of some steps along a dimension are NaN or the fill value"
        "write these steps again";
    NanChunks "nan_chunks" Warning Full
        "chunks hold only NaN or the fill value where chunks at the same place hold data"
        "write these chunks again: a writer may have been killed, or two wrote at the same time";
    NanRectangles "nan_rectangles" Warning Full
        "a rectangle of NaN reaches from the edge of a chunk: the mark of two writers of one chunk"
        "write these chunks again, with writers that each write whole chunks";
    ConstantArray "constant_array" Warning Full
        "all values are equal"
        "check how the array was written";
    ConstantSteps "constant_steps" Warning Full
        "all values of some steps along a dimension are equal"
        "check how these steps were written";
    InfiniteValues "infinite_values" Warning Full
        "some values are infinite"
        "check how they were computed";
    OutOfRange "out_of_range" Warning Full
        "values lie outside of valid_min, valid_max or valid_range"
        "check units and packing of the variable";
    CoordinateUnreadable "coordinate_unreadable" Error List
        "a coordinate cannot be read"
        "fetch or write the coordinate again";
    CoordinateMissingValues "coordinate_missing_values" Error List
        "a coordinate has NaN, no time or the fill value"
        "write the coordinate again";
    CoordinateDuplicates "coordinate_duplicates" Error List
        "a coordinate has the same value twice"
        "remove the duplicate steps";
    CoordinateOrder "coordinate_order" Error List
        "a coordinate goes up and down"
        "sort the store along the dimension";
    CoordinateGaps "coordinate_gaps" Warning List
        "steps are missing along an otherwise regular coordinate"
        "fetch or write the missing steps";
    CoordinateNearDuplicates "coordinate_near_duplicates" Warning List
        "coordinate values are nearly equal"
        "round the coordinate, or remove the duplicate steps";
    CoordinateStep "coordinate_step" Error List
        "steps differ from --expect-step"
        "fetch or write the missing steps";
    CoordinateValues "coordinate_values" Error List
        "coordinate values differ from --expect"
        "fetch or write the missing steps";
    CoordinateBounds "coordinate_bounds" Warning List
        "bounds do not contain their coordinate value, or leave gaps"
        "write the bounds again";
    VariablesDiffer "variables_differ" Error List
        "stores have different variables"
        "fetch or write the missing variables";
    DtypesDiffer "dtypes_differ" Error List
        "a variable has another data type than in the first store"
        "convert one of the stores";
    UnitsDiffer "units_differ" Error List
        "a variable has other units, packing or calendar than in the first store"
        "convert one of the stores, or correct the attribute";
    GridsDiffer "grids_differ" Error List
        "a coordinate or a dimension differs from that of the first store"
        "regrid one of the stores";
    StoresOverlap "stores_overlap" Error List
        "coordinate values of two stores overlap"
        "remove the duplicate steps from one of the stores";
    StoresGap "stores_gap" Warning List
        "steps are missing between two stores"
        "fetch or write the missing steps";
    SmallStore "small_store" Warning List
        "a store is much smaller than the other stores"
        "fetch the store again";
    RangesDiffer "ranges_differ" Warning Full
        "the values of a variable differ by orders of magnitude from the other stores"
        "check the units of the variable";
    OnlyInOne "only_in_one" Error List
        "a node is in only one of the two stores (--against)"
        "copy it, or leave it out with --var";
    ShapeDiffers "shape_differs" Error List
        "an array has another shape in the other store (--against)"
        "copy the array again";
    DtypeDiffers "dtype_differs" Error List
        "an array has another data type in the other store (--against)"
        "convert one of the arrays; the values of numbers were compared";
    DimensionNamesDiffer "dimension_names_differ" Error List
        "an array has other dimension names in the other store (--against)"
        "correct dimension_names (Zarr v3) or the attribute _ARRAY_DIMENSIONS (v2)";
    AttributesDiffer "attributes_differ" Error List
        "a node has other attributes in the other store (--against)"
        "copy the attributes again; --skip attributes_differ ignores them";
    FillValueDiffers "fill_value_differs" Info List
        "an array has another fill value in the other store (--against)"
        "none needed if no chunk is missing";
    ValuesDiffer "values_differ" Error Full
        "values of an array differ from the other store (--against)"
        "copy the array again; -v lists the chunks, --rtol and --atol allow small differences";
    ChunkDiffers "chunk_differs" Info Full
        "values of a chunk differ from the other store (--against -v)"
        "copy the chunk again";
    ChunksInOne "chunks_in_one" Info Full
        "chunks are stored in only one of the stores, and hold the fill value (--against)"
        "none needed: readers get the same values";
    ObjectMissing "object_missing" Error List
        "an object of the manifest is missing (--manifest)"
        "fetch or write the object again";
    ObjectChanged "object_changed" Error List
        "an object is not the one of the manifest (--manifest)"
        "fetch or write the object again, or write a new manifest if it was meant to change";
    ObjectRecoded "object_recoded" Info Full
        "an object has other bytes than in the manifest, and the same values (--manifest)"
        "none needed: it was compressed again";
    ObjectNew "object_new" Warning List
        "an object is not in the manifest (--manifest)"
        "remove it, or write a new manifest";
    ArrayChanged "array_changed" Error Full
        "an array has other values than in the manifest (--manifest)"
        "write the array again, or write a new manifest";
    ArrayRechunked "array_rechunked" Info Full
        "an array has other chunks than in the manifest, and the same values (--manifest)"
        "write a new manifest to check its objects";
    ManifestInvalid "manifest_invalid" Error List
        "the manifest does not end as it should: it was cut (--manifest)"
        "write the manifest again";
}

impl Kind {
    /// The kind with this name; `-` and `_` are the same.
    pub fn named(name: &str) -> Option<Kind> {
        let name = name.replace('-', "_");
        KINDS.iter().find(|about| about.name == name).map(|about| about.kind)
    }
}

/// Kinds by name.
///
/// # Errors
/// As [`kind`].
pub fn kinds<B: FromIterator<Kind>>(flag: &str, names: &[String]) -> Result<B, Failure> {
    names.iter().map(|name| kind(flag, name)).collect()
}

/// A kind by name, given by a flag.
///
/// # Errors
/// `Exit::Usage` with the closest name.
pub fn kind(flag: &str, name: &str) -> Result<Kind, Failure> {
    Kind::named(name).ok_or_else(|| {
        let failure = Failure::usage(format!("{name:?} is not a kind of finding")).at(flag);
        failure.hint(did_you_mean(name, KINDS.iter().map(|about| about.name)).unwrap_or_default())
    })
}

/// Every kind with its meaning, for the manual page.
pub const LISTED: &str = TABLE;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        let names: BTreeSet<&str> = KINDS.iter().map(|about| about.name).collect();
        assert_eq!(names.len(), KINDS.len());
        for about in KINDS {
            assert_eq!(Kind::named(about.name), Some(about.kind), "{}", about.name);
            assert_eq!(about.kind.about().name, about.name);
            assert_eq!(Kind::named(&about.name.replace('_', "-")), Some(about.kind));
        }
        assert_eq!(Kind::named("nothing"), None);
    }
}
