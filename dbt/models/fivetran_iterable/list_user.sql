with members as (
    {{ messaging.stream('list_users', {'integer': ['listId'], 'string': ['identifier', 'email', 'userId']}) }}
), identified as (
    select
        coalesce(by_email.user_key, by_user_id.user_key, members.identifier) as user_key,
        members.list_id,
        members.loaded_at
    from members
    left join {{ ref('user_identity') }} as by_email
        on by_email.kind = 'email' and by_email.identifier = lower(members.email)
    left join {{ ref('user_identity') }} as by_user_id
        on by_user_id.kind = 'userId' and by_user_id.identifier = members.user_id
)
select
    user_key as _fivetran_id,
    loaded_at as _fivetran_synced,
    row_number() over (partition by user_key order by list_id) - 1 as index,
    list_id
from identified
