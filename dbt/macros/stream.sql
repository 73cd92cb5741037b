{#- Return the tables and columns that there are: {'email_send': {'table': 'EMAIL_SEND', 'fields': {'email': 'EMAIL'}}}.

    Loaders write names in their own case, and a sync may leave streams out. information_schema is asked, because
    dbt's own look-up fails now and then when threads share a DuckDB file. -#}
{% macro catalog() %}
    {%- set found = {} -%}
    {%- set place = source('messaging', 'users') -%}
    {%- if execute -%}
        {%- for row in run_query(messaging.columns_query(place)).rows -%}
            {%- set table = found.setdefault(row[0] | lower, {'table': row[0], 'fields': {}}) -%}
            {%- do table['fields'].update({row[1] | lower: row[1]}) -%}
        {%- endfor -%}
        {%- if not found -%}
            {{ exceptions.raise_compiler_error(
                'There are no tables in ' ~ place.database ~ '.' ~ place.schema
                ~ ': set messaging_schema to the schema that the sync writes to.'
            ) }}
        {%- endif -%}
    {%- endif -%}
    {{ return(found) }}
{% endmacro %}


{#- The rows of a stream, with the named fields as typed columns: messageId → message_id.

    `fields` maps a type to names. A field that the table lacks is null; a table that is not there has no rows.
    `loaded_at` is when the loader wrote the row. `extra` are more columns: {'name': expression}. -#}
{% macro stream(name, fields, extra={}, catalog=none) -%}
    {%- set declared = source('messaging', name) -%}
    {%- set found = (catalog or messaging.catalog()).get(name, {'fields': {}}) -%}
    select
        {%- for type, names in fields.items() %}
        {%- for field in names %}
        {{ messaging.typed(messaging.column(found, field), type) }} as {{ messaging.snake_case(field) }},
        {%- endfor %}
        {%- endfor %}
        {%- for column, expression in extra.items() %}
        {{ expression }} as {{ column }},
        {%- endfor %}
        {{ messaging.loaded_at(found) }} as loaded_at
    {%- if found.table %}
    from {{ declared.incorporate(path={'identifier': found.table}).quote(identifier=True) }}
    {%- else %}
    from (select 1 as nothing) as nothing where 1 = 0
    {%- endif %}
{%- endmacro %}


{#- A field's column as the table spells it; null where there is none. -#}
{% macro column(found, field) -%}
    {%- set column = found.fields.get(field | lower) -%}
    {{ adapter.quote(column) if column else 'null' }}
{%- endmacro %}


{% macro loaded_at(found) -%}
    {%- if '_dlt_load_id' in found.fields -%}
        {#- Seconds since 1970, as text. -#}
        {%- set seconds = 'cast(' ~ messaging.column(found, '_dlt_load_id') ~ ' as decimal(20, 6))' -%}
        {{ messaging.from_milliseconds('1000 * ' ~ seconds) }}
    {%- else -%}
        {{ messaging.utc(messaging.column(found, '_airbyte_extracted_at')) }}
    {%- endif -%}
{%- endmacro %}


{% macro typed(value, type) -%}
    {%- if type == 'timestamp' -%} {{ messaging.utc(value) }}
    {%- elif type == 'milliseconds' -%} {{ messaging.from_milliseconds(value) }}
    {%- else -%}
        {%- set types = {
            'string': dbt.type_string(), 'integer': dbt.type_bigint(), 'number': dbt.type_numeric(),
            'boolean': dbt.type_boolean(), 'json': messaging.type_json(),
        } -%}
        cast({{ value }} as {{ types[type] }})
    {%- endif -%}
{%- endmacro %}


{#- fromSMSSenderId → from_smssender_id, which is how Fivetran writes it, too. -#}
{% macro snake_case(field) -%}
    {{ modules.re.sub('(?<=[a-z0-9])(?=[A-Z])', '_', field) | lower }}
{%- endmacro %}
