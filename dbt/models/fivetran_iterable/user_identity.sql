-- Events and list members name a user by one of three identifiers. Two users may share one, such as the e-mail address
-- in a project that is keyed by user id; the one that changed last stands for it, so that no join doubles a row.
{{ config(materialized='ephemeral') }}

with users as (
    {{ messaging.stream('users', {
        'string': ['user_key', 'email', 'userId', 'itblUserId'], 'timestamp': ['profileUpdatedAt'],
    }) }}
), identifiers as (
    select 'itblUserId' as kind, itbl_user_id as identifier, user_key, email, profile_updated_at from users
    union all
    select 'email', lower(email), user_key, email, profile_updated_at from users
    union all
    select 'userId', user_id, user_key, email, profile_updated_at from users
), ranked as (
    select
        identifiers.*,
        row_number() over (partition by kind, identifier order by profile_updated_at desc, user_key) as place
    from identifiers
    where identifier is not null
)
select kind, identifier, user_key, email
from ranked
where place = 1
