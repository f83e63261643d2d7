//! Variables whose values are all in memory: which of them a batch needs.

use std::borrow::Cow;

use crate::axes::Axis;
use crate::roles::Role;
use crate::source::Variable;
use crate::spans::Span;

/// The elements of a variable without a grid that the samples in `span` need, by number in C order: feature by feature, in each
/// sample by sample.
pub fn numbers(variable: &Variable, samples: &[Axis], span: &Span) -> Vec<usize> {
    let stride = |dimension: usize| variable.array.shape[dimension + 1..].iter().product::<u64>();
    let mut axes: Vec<(Role, Cow<[u64]>, u64)> = Vec::new();
    for (dimension, role) in variable.roles.iter().enumerate() {
        let indices = match role {
            Role::Feature(number) => {
                let indices = &variable.features[*number].indices;
                indices.slice(0..indices.len())
            }
            Role::Sample(number) => {
                samples[*number].indices.slice(span[*number].start as u64..span[*number].end as u64)
            }
            Role::Row | Role::Column => continue,
        };
        axes.push((*role, indices, stride(dimension)));
    }
    axes.sort_by_key(|(role, ..)| match role {
        Role::Feature(number) => (0, *number),
        Role::Sample(number) => (1, *number),
        Role::Row | Role::Column => (2, 0),
    });
    let mut numbers = vec![0];
    for (_, indices, stride) in &axes {
        let along = |number: &usize| indices.iter().map(|index| number + (index * stride) as usize).collect::<Vec<_>>();
        numbers = numbers.iter().flat_map(along).collect();
    }
    numbers
}
