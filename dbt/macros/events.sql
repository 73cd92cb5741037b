{#- The streams of events: the 33 that Fivetran reads, too, and the others. -#}
{% macro event_streams() %}
    {%- set fivetran = [
        'custom_event', 'email_send', 'email_send_skip', 'email_open', 'email_click', 'email_unsubscribe',
        'email_subscribe', 'email_bounce', 'email_complaint', 'hosted_unsubscribe_click', 'in_app_send',
        'in_app_open', 'in_app_click', 'in_app_close', 'in_app_delete', 'in_app_delivery', 'in_app_send_skip',
        'inbox_message_impression', 'inbox_session', 'push_send', 'push_send_skip', 'push_bounce', 'push_open',
        'push_uninstall', 'purchase', 'sms_click', 'sms_send', 'sms_send_skip', 'sms_bounce', 'sms_received',
        'web_push_click', 'web_push_send', 'web_push_send_skip',
    ] -%}
    {%- set others = [
        'in_app_recall', 'sms_usage_info', 'whats_app_send', 'whats_app_seen', 'whats_app_click',
        'whats_app_received', 'whats_app_bounce', 'whats_app_send_skip', 'whats_app_usage_info', 'embedded_send',
        'embedded_send_skip', 'embedded_received', 'embedded_impression', 'embedded_click', 'embedded_session',
        'rcs_send', 'rcs_send_skip', 'journey_exit', 'unknown_session',
    ] -%}
    {{ return(fivetran if var('fivetran_event_types_only') else fivetran + others) }}
{% endmacro %}


{#- The name of a stream's events at Iterable: in_app_open → inAppOpen. -#}
{% macro event_name(stream) -%}
    {%- set words = stream.split('_') -%}
    {{ 'emailUnSubscribe' if stream == 'email_unsubscribe' else words[0] ~ words[1:] | map('capitalize') | join }}
{%- endmacro %}


{#- A stream's columns that are none of the named fields and not the loader's own. -#}
{% macro other_columns(found, fields) %}
    {%- set named = fields.values() | sum(start=[]) | map('lower') | list -%}
    {%- set others = [] -%}
    {%- for field, column in found.fields.items() -%}
        {%- if field not in named + ['data'] and not modules.re.match('_(airbyte|ab|dlt)_', field) -%}
            {%- do others.append(column) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(others) }}
{% endmacro %}


{#- A user's e-mail address; with `fill_email` the key where there is none, since dbt_iterable takes all such for one. -#}
{% macro email(address, user_key) -%}
    {{ 'coalesce(' ~ address ~ ', ' ~ user_key ~ ')' if var('fill_email') else address }}
{%- endmacro %}


{#- A field that Iterable's system webhooks send; should an export hold a text of that name, it is in `data`. -#}
{% macro webhook_field(field) -%}
    {{ messaging.json_text('events.data', field) }} as {{ messaging.snake_case(field) }}
{%- endmacro %}
