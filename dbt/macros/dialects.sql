{#- One macro for each thing that warehouses spell differently; `default` is PostgreSQL's spelling. PostgreSQL and DuckDB
    are tested. Snowflake, BigQuery, Redshift and Databricks are written from their documentation and UNTESTED. -#}

{#- The names of all tables and columns in a relation's schema. -#}
{% macro columns_query(relation) %}{{ return(adapter.dispatch('columns_query', 'messaging')(relation)) }}{% endmacro %}
{% macro default__columns_query(relation, information_schema='information_schema') %}
    select table_name, column_name
    from {{ information_schema }}.columns
    where lower(table_catalog) = lower('{{ relation.database }}')
        and lower(table_schema) = lower('{{ relation.schema }}')
    order by table_name, ordinal_position
{% endmacro %}
{% macro snowflake__columns_query(relation) %}
    {{ messaging.default__columns_query(relation, relation.database ~ '.information_schema') }}
{% endmacro %}
{% macro databricks__columns_query(relation) %}
    {{ messaging.default__columns_query(relation, relation.database ~ '.information_schema') }}
{% endmacro %}
{% macro bigquery__columns_query(relation) %}
    select table_name, column_name
    from `{{ relation.database }}.{{ relation.schema }}.INFORMATION_SCHEMA.COLUMNS`
    order by table_name, ordinal_position
{% endmacro %}
{#- Its information_schema knows only what the leader node holds. -#}
{% macro redshift__columns_query(relation) %}
    select table_name, column_name
    from svv_columns
    where lower(table_schema) = lower('{{ relation.schema }}')
    order by table_name, ordinal_position
{% endmacro %}


{#- A moment as a timestamp of UTC. -#}
{% macro utc(value) %}{{ return(adapter.dispatch('utc', 'messaging')(value)) }}{% endmacro %}
{% macro default__utc(value) %}cast({{ value }} as timestamptz) at time zone 'UTC'{% endmacro %}
{% macro snowflake__utc(value) %}
    cast(convert_timezone('UTC', cast({{ value }} as timestamp_tz)) as timestamp_ntz)
{% endmacro %}
{% macro bigquery__utc(value) %}cast({{ value }} as timestamp){% endmacro %}
{% macro databricks__utc(value) %}cast({{ value }} as timestamp){% endmacro %}


{#- Milliseconds since 1970 as a timestamp of UTC. -#}
{% macro from_milliseconds(value) %}
    {{ return(adapter.dispatch('from_milliseconds', 'messaging')(value)) }}
{% endmacro %}
{% macro default__from_milliseconds(value) %}timestamp 'epoch' + ({{ value }}) * interval '1 millisecond'{% endmacro %}
{% macro duckdb__from_milliseconds(value) %}epoch_ms(cast({{ value }} as bigint)){% endmacro %}
{% macro redshift__from_milliseconds(value) %}
    timestamp 'epoch' + ({{ value }}) / 1000.0 * interval '1 second'
{% endmacro %}
{% macro snowflake__from_milliseconds(value) %}to_timestamp_ntz(cast({{ value }} as bigint), 3){% endmacro %}
{% macro bigquery__from_milliseconds(value) %}timestamp_millis(cast({{ value }} as int64)){% endmacro %}
{% macro databricks__from_milliseconds(value) %}timestamp_millis(cast({{ value }} as bigint)){% endmacro %}


{#- The type of arrays and objects. -#}
{% macro type_json() %}{{ return(adapter.dispatch('type_json', 'messaging')()) }}{% endmacro %}
{% macro default__type_json() %}jsonb{% endmacro %}
{% macro duckdb__type_json() %}json{% endmacro %}
{% macro redshift__type_json() %}super{% endmacro %}
{% macro snowflake__type_json() %}variant{% endmacro %}
{% macro bigquery__type_json() %}json{% endmacro %}
{% macro databricks__type_json() %}string{% endmacro %}


{#- An array or object as text. -#}
{% macro json_string(value) %}{{ return(adapter.dispatch('json_string', 'messaging')(value)) }}{% endmacro %}
{% macro default__json_string(value) %}cast({{ value }} as {{ dbt.type_string() }}){% endmacro %}
{% macro redshift__json_string(value) %}json_serialize({{ value }}){% endmacro %}
{% macro snowflake__json_string(value) %}to_json({{ value }}){% endmacro %}
{% macro bigquery__json_string(value) %}nullif(to_json_string({{ value }}), 'null'){% endmacro %}


{#- An object's value under a key, as text; an object or array in there is text, too. -#}
{% macro json_text(value, key) %}{{ return(adapter.dispatch('json_text', 'messaging')(value, key)) }}{% endmacro %}
{% macro default__json_text(value, key) %}({{ value }} ->> '{{ key }}'){% endmacro %}
{% macro redshift__json_text(value, key) %}cast({{ value }}."{{ key }}" as varchar){% endmacro %}
{% macro snowflake__json_text(value, key) %}cast(get({{ value }}, '{{ key }}') as varchar){% endmacro %}
{% macro bigquery__json_text(value, key) %}json_value({{ value }}, '$."{{ key }}"'){% endmacro %}
{% macro databricks__json_text(value, key) %}get_json_object({{ value }}, '$["{{ key }}"]'){% endmacro %}


{#- Joins each element of an array, as text, to its row: the column `element`. -#}
{% macro join_elements(value) %}{{ return(adapter.dispatch('join_elements', 'messaging')(value)) }}{% endmacro %}
{% macro default__join_elements(value) %}
    cross join lateral jsonb_array_elements_text({{ value }}) as elements (element)
{% endmacro %}
{% macro duckdb__join_elements(value) %}
    cross join unnest(cast({{ value }} as varchar[])) as elements (element)
{% endmacro %}
{% macro redshift__join_elements(value) %}cross join {{ value }} as element{% endmacro %}
{% macro snowflake__join_elements(value) %}
    cross join lateral flatten(input => {{ value }}) as elements (seq, key, path, index, element, this)
{% endmacro %}
{% macro bigquery__join_elements(value) %}cross join unnest(json_value_array({{ value }})) as element{% endmacro %}
{% macro databricks__join_elements(value) %}
    lateral view explode(from_json({{ value }}, 'array<string>')) elements as element
{% endmacro %}


{#- An object with more columns in it, as text: data, ['ip', 'url'] → {"ip": …, "url": …, …}. Nulls are left out. -#}
{% macro json_with(data, columns) %}
    {{ return(adapter.dispatch('json_with', 'messaging')(data, columns)) }}
{% endmacro %}
{% macro default__json_with(data, columns) -%}
    cast(
        jsonb_strip_nulls(jsonb_build_object({{ messaging.keys_and_values(columns) }}))
        || coalesce({{ messaging.typed(data, 'json') }}, '{}') as text
    )
{%- endmacro %}
{% macro duckdb__json_with(data, columns) -%}
    cast(json_merge_patch(
        coalesce({{ messaging.typed(data, 'json') }}, '{}'), json_object({{ messaging.keys_and_values(columns) }})
    ) as varchar)
{%- endmacro %}
{% macro redshift__json_with(data, columns) -%}
    json_serialize(object_transform(
        coalesce({{ messaging.typed(data, 'json') }}, object())
        {%- if columns %} set
        {%- for each in columns %} '"{{ each }}"', {{ adapter.quote(each) }}{{ ',' if not loop.last }}{% endfor %}
        {%- endif %}
    ))
{%- endmacro %}
{% macro snowflake__json_with(data, columns) -%}
    to_json(
        {%- for each in columns %}object_insert({% endfor %}coalesce(cast({{ data }} as object), object_construct())
        {%- for each in columns %}, '{{ each }}', to_variant({{ adapter.quote(each) }}), true){% endfor -%}
    )
{%- endmacro %}
{% macro bigquery__json_with(data, columns) -%}
    to_json_string(json_strip_nulls(json_set(
        coalesce({{ data }}, json '{}')
        {%- for each in columns %}, '$."{{ each }}"', {{ adapter.quote(each) }}{% endfor %}
    )))
{%- endmacro %}
{% macro databricks__json_with(data, columns) -%}
    to_json(map_filter(map_concat(
        map(
            {%- for each in columns %}'{{ each }}', cast({{ adapter.quote(each) }} as string){{ ', ' if not loop.last }}
            {%- endfor -%}
        ),
        coalesce(from_json({{ data }}, 'map<string, string>'), map())
    ), (field, content) -> content is not null))
{%- endmacro %}

{% macro keys_and_values(columns) -%}
    {%- for each in columns %}'{{ each }}', {{ adapter.quote(each) }}{{ ', ' if not loop.last }}{% endfor -%}
{%- endmacro %}
