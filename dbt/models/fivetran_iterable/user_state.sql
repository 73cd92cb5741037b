-- The stream holds each user as they are now. What they were at each build before stays here, since dbt_iterable tells
-- by it when they joined or left a list; so a full refresh must not start anew.
{{ config(
    materialized='incremental',
    unique_key=['_fivetran_id', 'updated_at'],
    full_refresh=false,
    on_schema_change='append_new_columns',
) }}

with users as (
    {{ messaging.stream('users', {
        'string': ['user_key', 'email', 'phoneNumber', 'signupSource', 'userId', 'itblUserId'],
        'timestamp': ['signupDate', 'profileUpdatedAt'], 'json': ['emailListIds', 'data'],
    }) }}
), lists as (
    select
        user_key,
        {{ dbt.listagg('element', "','", 'order by cast(element as ' ~ dbt.type_bigint() ~ ')') }} as ids
    from users
    {{ messaging.join_elements('users.email_list_ids') }}
    group by user_key
)
select
    users.user_key as _fivetran_id,
    coalesce(users.loaded_at, users.profile_updated_at) as _fivetran_synced,
    users.email,
    -- dbt_iterable drops a user whose lists are null.
    '[' || coalesce(lists.ids, '') || ']' as email_list_ids,
    {{ messaging.json_text('users.data', 'firstName') }} as first_name,
    {{ messaging.json_text('users.data', 'lastName') }} as last_name,
    users.phone_number,
    users.signup_date,
    users.signup_source,
    users.profile_updated_at as updated_at,
    users.user_id,
    users.itbl_user_id as iterable_user_id
    {%- for column, field in var('user_fields').items() %},
    {{ messaging.json_text('users.data', field) }} as {{ column }}
    {%- endfor %}
from users
left join lists on lists.user_key = users.user_key
