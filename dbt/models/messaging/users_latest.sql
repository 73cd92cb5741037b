with users as (
    {{ messaging.stream('users', {
        'string': [
            'user_key', 'email', 'userId', 'itblUserId', 'phoneNumber', 'signupSource', 'locale', 'timeZone', 'city',
            'region', 'country',
        ],
        'timestamp': ['signupDate', 'profileUpdatedAt'],
        'json': ['data'],
    }) }}
), ranked as (
    select users.*, row_number() over (partition by user_key order by profile_updated_at desc) as place
    from users
)
select
    user_key,
    email,
    user_id,
    itbl_user_id,
    phone_number,
    {{ messaging.json_text('data', 'firstName') }} as first_name,
    {{ messaging.json_text('data', 'lastName') }} as last_name,
    {%- for column, field in var('user_fields').items() %}
    {{ messaging.json_text('data', field) }} as {{ column }},
    {%- endfor %}
    locale,
    time_zone,
    city,
    region,
    country,
    signup_date,
    signup_source,
    profile_updated_at
from ranked
where place = 1
