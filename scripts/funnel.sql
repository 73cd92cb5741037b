-- Of the five largest campaigns: how many people each was sent to, and how many of them opened it and clicked in it.
WITH
  clicks AS (SELECT messageId FROM email_click),
  opens AS (SELECT messageId FROM email_open UNION FROM clicks),
  largest AS (
    SELECT name AS campaign, count(DISTINCT email) AS sent,
      count(DISTINCT email) FILTER (messageId IN (FROM opens)) AS opened,
      count(DISTINCT email) FILTER (messageId IN (FROM clicks)) AS clicked
    FROM email_send JOIN campaigns ON campaigns.id = campaignId
    GROUP BY campaigns.id, campaign ORDER BY sent DESC, campaign LIMIT 5
  )
SELECT campaign, step, people, bar(people, 0, max(people) OVER (), 40) AS funnel
FROM largest UNPIVOT (people FOR step IN (sent, opened, clicked));
