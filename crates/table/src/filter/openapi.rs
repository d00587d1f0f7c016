//! The OpenAPI description of [`Values`](super::Values): a value, a list, or lists by name.

use utoipa::PartialSchema;
use utoipa::openapi::schema::{AdditionalProperties, AnyOfBuilder, ArrayBuilder, ObjectBuilder};
use utoipa::openapi::{RefOr, Schema, Type};

use super::{MAX_VALUE_BYTES, MAX_VALUES, PictureShape, Place};

pub(super) fn prefix() -> RefOr<Schema> {
    described(text(0), "The key begins with it. A list: with any of them.")
}

pub(super) fn formats() -> RefOr<Schema> {
    described(
        text(0),
        "The format: `jpeg`, `png`, `webp`, `gif`, `bmp`, `tiff`, `jxl`. A list: any of them.",
    )
}

pub(super) fn orientation() -> RefOr<Schema> {
    described(PictureShape::schema(), "The shape as displayed. A list: any of them.")
}

pub(super) fn place() -> RefOr<Schema> {
    described(
        Place::schema(),
        "Taken within this box. A list: within any of them. A picture without a place is in \
         no box.",
    )
}

pub(super) fn keywords() -> RefOr<Schema> {
    described(
        text(1),
        "Has this keyword, in any language, in upper or lower case. A list: all of them. A \
         picture without a caption has no keyword.",
    )
}

fn text(least_characters: usize) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(least_characters))
        .max_length(Some(MAX_VALUE_BYTES))
        .into()
}

fn described(value: RefOr<Schema>, description: &str) -> RefOr<Schema> {
    let list = || ArrayBuilder::new().items(value.clone()).max_items(Some(MAX_VALUES));
    let by_name = ObjectBuilder::new()
        .property("all", list().description(Some("A hit must have each of these.")))
        .property("any", list().description(Some("A hit must have at least one of these.")))
        .property(
            "none",
            list().description(Some("A hit must have none of these; one that lacks it passes.")),
        )
        .additional_properties(Some(AdditionalProperties::FreeForm(false)));
    AnyOfBuilder::new()
        .item(value.clone())
        .item(list())
        .item(by_name)
        .item(ObjectBuilder::new().schema_type(Type::Null))
        .description(Some(description))
        .into()
}
