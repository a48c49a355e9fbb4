//! Statements over arrays, which Diesel has no words for: one statement, prepared once, for
//! any number of rows.

/// Declares a statement whose parameters are arrays: pieces of SQL with a column between each
/// two, which is a field of the struct and a parameter of the statement. What it returns is
/// left out when only the rows are counted.
///
/// ```text
/// array_statement! {
///     /// What it does.
///     struct CloseDoors returns (Integer,);
///     "UPDATE doors SET is_open = false WHERE id = ANY(",
///     ids: BigInt = i64,
///     ") RETURNING number"
/// }
/// ```
macro_rules! array_statement {
    (
        $(#[$doc:meta])*
        struct $name:ident $(returns $row:ty)?;
        $head:literal
        $(, $column:ident : $sql_type:ty = $type:ty, $sql:expr)+ $(,)?
    ) => {
        $(#[$doc])*
        #[derive(Default, diesel::query_builder::QueryId)]
        struct $name {
            $($column: Vec<$type>,)+
        }

        $(impl diesel::query_builder::Query for $name {
            type SqlType = $row;
        })?

        impl diesel::query_builder::QueryFragment<diesel::pg::Pg> for $name {
            fn walk_ast<'b>(
                &'b self,
                mut out: diesel::query_builder::AstPass<'_, 'b, diesel::pg::Pg>,
            ) -> diesel::QueryResult<()> {
                out.push_sql($head);
                $(
                    out.push_bind_param::<diesel::sql_types::Array<$sql_type>, _>(&self.$column)?;
                    out.push_sql($sql);
                )+
                Ok(())
            }
        }
    };
}

pub(super) use array_statement;

/// Puts a list behind those that an array has already: SQL has no arrays of lists of different
/// lengths, but slices of arrays. Answers the bounds of the list's, which count from 1.
pub(super) fn append<T: Clone>(array: &mut Vec<T>, list: &[T]) -> (i32, i32) {
    let number = |place: usize| i32::try_from(place).unwrap_or(i32::MAX);
    let first = number(array.len() + 1);
    array.extend_from_slice(list);
    (first, number(array.len()))
}
