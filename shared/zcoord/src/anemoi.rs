//! Datasets of anemoi: names and coordinates that they have by convention and not by their metadata.
//!
//! `data(time, variable, ensemble, cell)`, `dates`, `latitudes` and `longitudes` in one group, whose attribute `variables` names
//! the variables (anemoi-datasets, "Zarr format").

use serde_json::Value;

use crate::dataset::{Dataset, dimensions};

/// The dimensions of `data`.
const DIMENSIONS: [&str; 4] = ["time", "variable", "ensemble", "cell"];

impl Dataset {
    /// Completes the arrays of every group that is a dataset of anemoi.
    pub fn complete(&mut self) {
        let names = |attributes: &serde_json::Map<String, Value>| -> Option<Vec<String>> {
            let names = attributes.get("variables")?.as_array()?;
            names.iter().map(|name| name.as_str().map(str::to_owned)).collect()
        };
        let groups = self.groups().filter_map(|(path, attributes)| Some((path.to_owned(), names(attributes)?)));
        for (path, variables) in groups.collect::<Vec<_>>() {
            self.complete_group(&format!("{}/", path.trim_end_matches('/')), variables);
        }
    }

    fn complete_group(&mut self, group: &str, variables: Vec<String>) {
        let path = |name: &str| format!("{group}{name}");
        let length = |name: &str| match self.array(&path(name))?.shape.as_slice() {
            [length] => Some(*length),
            _ => None,
        };
        let Some(data) = self.array(&path("data")) else { return };
        let (Some(dates), Some(latitudes), Some(longitudes)) =
            (length("dates"), length("latitudes"), length("longitudes"))
        else {
            return;
        };
        let fits = matches!(data.shape.as_slice(), [times, count, _, cells]
            if *times == dates && *count == variables.len() as u64 && *cells == latitudes && *cells == longitudes);
        if !fits {
            return;
        }
        let named: Option<Vec<String>> = dimensions(data).map(|names| names.into_iter().map(str::to_owned).collect());
        let [time, variable, ensemble, cell] =
            named.and_then(|names| <[String; 4]>::try_from(names).ok()).unwrap_or(DIMENSIONS.map(str::to_owned));
        self.set_coordinate(group, &time, path("dates"));
        self.set_labels(group, &variable, variables);
        for (name, own, units) in [
            ("data", vec![&time, &variable, &ensemble, &cell], None),
            ("dates", vec![&time], None),
            ("latitudes", vec![&cell], Some("degrees_north")),
            ("longitudes", vec![&cell], Some("degrees_east")),
        ] {
            let Some(array) = self.array_mut(&path(name)) else { continue };
            array.dimension_names = Some(own.into_iter().cloned().map(Some).collect());
            if let Some(units) = units {
                array.attributes.entry("units").or_insert(units.into());
            }
        }
    }
}
