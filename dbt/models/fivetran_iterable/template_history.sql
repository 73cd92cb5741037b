select
    coalesce(loaded_at, updated_at) as _fivetran_synced,
    client_template_id,
    created_at,
    creator_user_id,
    template_id as id,
    message_type_id,
    name,
    template_type,
    updated_at
from (
    {{ messaging.stream('templates', {
        'integer': ['templateId', 'messageTypeId'],
        'string': ['clientTemplateId', 'creatorUserId', 'name', 'templateType'],
        'timestamp': ['createdAt'], 'milliseconds': ['updatedAt'],
    }) }}
) as templates
