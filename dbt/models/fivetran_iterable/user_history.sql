-- Each state has the address of the latest: dbt_iterable takes the last state of each address for a present one, so it
-- would have a user who changed the address twice.
select
    _fivetran_id,
    _fivetran_synced,
    {{ messaging.email(
        'first_value(email) over (partition by _fivetran_id order by updated_at desc'
        ~ ' rows between unbounded preceding and unbounded following)',
        '_fivetran_id',
    ) }} as email,
    email_list_ids,
    first_name,
    last_name,
    phone_number,
    signup_date,
    signup_source,
    updated_at,
    user_id,
    iterable_user_id
    {%- for column in var('user_fields') %},
    {{ column }}
    {%- endfor %}
from {{ ref('user_state') }}
