-- Of the five largest campaigns: how many people each was sent to, opened it and clicked in it.
WITH
  sent AS (SELECT campaignId, count(DISTINCT email) AS sent FROM email_send GROUP BY ALL),
  opened AS (SELECT campaignId, count(DISTINCT email) AS opened FROM email_open GROUP BY ALL),
  clicked AS (SELECT campaignId, count(DISTINCT email) AS clicked FROM email_click GROUP BY ALL),
  largest AS (
    SELECT name AS campaign, sent, coalesce(opened, 0) AS opened, coalesce(clicked, 0) AS clicked
    FROM sent LEFT JOIN opened USING (campaignId) LEFT JOIN clicked USING (campaignId)
    JOIN campaigns ON campaigns.id = campaignId
    ORDER BY sent DESC, campaign LIMIT 5
  )
SELECT campaign, step, people, bar(people, 0, max(people) OVER (), 40) AS funnel
FROM largest UNPIVOT (people FOR step IN (sent, opened, clicked));
