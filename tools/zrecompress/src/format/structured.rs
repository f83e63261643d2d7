//! Structured data types: the fields that both formats have.

use serde_json::Value;

use super::dtype::{ByteOrder, DType};

/// Reads a list of fields of v2.
///
/// # Errors
/// A field that v3 cannot have.
pub fn from_v2(fields: &[Value]) -> Result<DType, String> {
    let fields: Result<Vec<_>, String> = fields.iter().map(field_from_v2).collect();
    Ok(DType::Struct(fields.and_then(some_fields)?))
}

fn field_from_v2(field: &Value) -> Result<(String, DType), String> {
    let parts = field.as_array().map(Vec::as_slice);
    match parts {
        Some([Value::String(name), dtype]) => match DType::from_v2(dtype, None)? {
            (dtype, ByteOrder::Big) if dtype.has_byte_order() => Err(format!(
                "field {name:?} is big-endian, and fields of a structured type have no byte order in Zarr v3"
            )),
            (dtype, _) => Ok((name.clone(), dtype)),
        },
        Some([Value::String(name), _, _]) => {
            Err(format!("field {name:?} is a subarray, which no structured type of Zarr v3 has"))
        }
        _ => Err(format!("{field} is not a field of a structured type")),
    }
}

/// Reads the configuration of a structured type of v3: fields as zarr-python 3 writes them, `[name, type]`, or as objects.
///
/// # Errors
/// A field that v2 cannot have.
pub fn from_v3(configuration: &Value) -> Result<DType, String> {
    let fields = configuration["fields"].as_array().ok_or("a structured data type has no list of fields")?;
    let fields: Result<Vec<_>, String> = fields.iter().map(field_from_v3).collect();
    Ok(DType::Struct(fields.and_then(some_fields)?))
}

fn field_from_v3(field: &Value) -> Result<(String, DType), String> {
    let name = field.get(0).or_else(|| field.get("name")).and_then(Value::as_str);
    let dtype = field.get(1).or_else(|| field.get("data_type"));
    match (name, dtype) {
        (Some(name), Some(dtype)) => match DType::from_v3(dtype)? {
            DType::String | DType::VariableBytes => {
                Err(format!("field {name:?} has no fixed size, and structured types of Zarr v2 have only such fields"))
            }
            dtype => Ok((name.to_owned(), dtype)),
        },
        _ => Err(format!("{field} is not a field of a structured type")),
    }
}

fn some_fields(fields: Vec<(String, DType)>) -> Result<Vec<(String, DType)>, String> {
    if fields.is_empty() { Err("a structured type has no fields".into()) } else { Ok(fields) }
}
