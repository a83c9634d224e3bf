-- The statements on the way in, by name. Rows go in as one JSON document, which is written and read by compiled code on
-- both sides: a thousand alerts cost as many statements as one, and little more of Python. What was posted goes in beside
-- it, all bodies in one, since neither arrays nor base64 come near that.

-- receive: keep raw messages, save those whose key is there already, and lock the stories of the keys in their order.
with kept as (
  insert into deliveries (received_at, key, receiver, group_key, external_url, truncated_alerts, alerts, body)
  select
    received_at, key, receiver, group_key, external_url, truncated_alerts, alerts,
    substring(%(bodies)b::bytea from first for size)
  from rows from (
    json_to_recordset(%(rows)s::json) as (
      received_at timestamptz, key uuid, receiver text, group_key text, external_url text, truncated_alerts bigint,
      alerts bigint, first integer, size integer
    )
  ) with ordinality as d (
    received_at, key, receiver, group_key, external_url, truncated_alerts, alerts, first, size, n
  )
  order by n
  on conflict (received_at, key) do nothing
  returning id, key
), locked as (
  select i.id, i.key, i.state, i.severity, i.firing, i.quiet_since, i.flaps, i.asked
  from incidents i
  where (i.state = 'open' and i.key = any(%(keys)s::text[]))
    or i.id = any(array(
      select s.id from incidents m join incidents s on s.id = m.merged_into
      where m.state = 'merged' and m.key = any(%(keys)s::text[]) and s.state = 'open'
    ))
  order by i.id
  for update of i
)
select id, key, state, severity, firing, quiet_since, flaps, asked from locked
union all
select id, key::text, null, null, null, null, null, null from kept

-- kept_deliveries: find messages by the keys under which they were kept.
select d.id, d.key
from deliveries d
join json_to_recordset(%(rows)s::json) as k (received_at timestamptz, key uuid)
  on d.received_at = k.received_at and d.key = k.key

-- peek_occurrences: see what is known of occurrences, without holding anybody up.
select
  a.fingerprint, a.starts_at, a.id, a.status, a.inferred, a.ends_at, a.annotations, a.first_seen_at, a.last_seen_at,
  a.resolved_seen_at, a.deliveries, a.firings, a.incident_id
from alerts a
join json_to_recordset(%(rows)s::json) as k (fingerprint text, starts_at timestamptz)
  on a.fingerprint = k.fingerprint and a.starts_at = k.starts_at

-- lock_occurrences: lock what is known of occurrences, in one order for everybody.
select
  a.fingerprint, a.starts_at, a.id, a.status, a.inferred, a.ends_at, a.annotations, a.first_seen_at, a.last_seen_at,
  a.resolved_seen_at, a.deliveries, a.firings, a.incident_id
from alerts a
join json_to_recordset(%(rows)s::json) as k (fingerprint text, starts_at timestamptz)
  on a.fingerprint = k.fingerprint and a.starts_at = k.starts_at
order by a.fingerprint, a.starts_at
for update of a

-- later_tellings: write down what is now known of occurrences that were known, and which incident each belongs to.
update alerts a
set
  status = o.status, inferred = o.inferred, ends_at = o.ends_at, annotations = o.annotations,
  first_seen_at = o.first_seen_at, last_seen_at = o.last_seen_at, resolved_seen_at = o.resolved_seen_at,
  deliveries = o.deliveries, firings = o.firings, incident_id = o.incident_id
from json_to_recordset(%(rows)s::json) as o (
  fingerprint text, starts_at timestamptz, status text, inferred boolean, ends_at timestamptz, annotations jsonb,
  first_seen_at timestamptz, last_seen_at timestamptz, resolved_seen_at timestamptz, deliveries bigint,
  firings bigint, incident_id bigint
)
where a.fingerprint = o.fingerprint and a.starts_at = o.starts_at

-- lock_incidents: lock stories in one order: by number, by key, or by the key of one that was merged into it.
select i.id, i.key, i.state, i.severity, i.firing, i.quiet_since, i.flaps, i.asked
from incidents i
where i.id = any(%(id)s::bigint[])
  or (i.state = 'open' and i.key = any(%(key)s::text[]))
  or i.id = any(array(
    select s.id from incidents m join incidents s on s.id = m.merged_into
    where m.state = 'merged' and m.key = any(%(key)s::text[]) and s.state = 'open'
  ))
order by i.id
for update of i

-- merged_keys: find the stories that go on with others of the given keys.
select m.key, m.merged_into from incidents m
where m.state = 'merged' and m.key = any(%(key)s::text[]) and m.merged_into = any(%(id)s::bigint[])

-- open_incidents: begin stories; a key under which somebody began one meanwhile, or that leads to another now, is left.
insert into incidents (
  key, state, cluster, namespace, workflow, agent, title, severity, opened_at, firing, flaps, previous_id
)
select
  n.key, 'open', n.cluster, n.namespace, n.workflow, n.agent, n.title, n.severity, n.opened_at, 0, 0,
  (select coalesce(p.merged_into, p.id) from incidents p where p.key = n.key order by p.id desc limit 1)
from json_to_recordset(%(rows)s::json) as n (
  key text, cluster text, namespace text, workflow text, agent text, title text, severity text, opened_at timestamptz
)
where not exists (
  select from incidents m join incidents s on s.id = m.merged_into
  where m.state = 'merged' and m.key = n.key and s.state = 'open'
)
order by n.key
on conflict (key) where state = 'open' do nothing
returning id, key

-- drop_incidents: take back stories that this very transaction began and did not need.
delete from incidents where id = any(%(id)s::bigint[]) returning id

-- add_inquiries: note the deliveries about which Alertmanager is to be asked.
insert into inquiries (received_at, key, late, truncated, tries, due_at)
select received_at, key, late, truncated, 0, due_at
from json_to_recordset(%(rows)s::json) as q (
  received_at timestamptz, key uuid, late jsonb, truncated bigint, due_at timestamptz
)
on conflict do nothing

-- write_down: write what a recording comes to; occurrences that are known though taken for new are left, not counted.
with stories as (
  update incidents i
  set
    severity = c.severity, firing = c.firing, quiet_since = c.quiet_since, flaps = c.flaps, asked = true,
    look_at = case when i.asked then least(i.look_at, c.look_at) else c.look_at end
  from json_to_recordset(%(stories)s::json) as c (
    id bigint, severity text, firing bigint, quiet_since timestamptz, flaps bigint, look_at timestamptz
  )
  where i.id = c.id
), told as (
  insert into timeline (at, kind, text, incident_id, alert_id, detail)
  select at, kind, text, incident_id, alert_id, detail
  from rows from (
    json_to_recordset(%(events)s::json) as (
      at timestamptz, kind text, text text, incident_id bigint, alert_id text, detail jsonb
    )
  ) with ordinality as e (at, kind, text, incident_id, alert_id, detail, n)
  order by n
)
insert into alerts (
  id, fingerprint, starts_at, starts_at_text, status, inferred, ends_at, alertname, severity, cluster, namespace,
  workflow, agent, labels, annotations, generator_url, group_key, receiver, first_seen_at, last_seen_at,
  resolved_seen_at, deliveries, firings, incident_id
)
select
  id, fingerprint, starts_at, starts_at_text, status, inferred, ends_at, alertname, severity, cluster, namespace,
  workflow, agent, labels, annotations, generator_url, group_key, receiver, first_seen_at, last_seen_at,
  resolved_seen_at, deliveries, firings, incident_id
from json_to_recordset(%(first)s::json) as o (
  id bigint, fingerprint text, starts_at timestamptz, starts_at_text text, status text, inferred boolean,
  ends_at timestamptz, alertname text, severity text, cluster text, namespace text, workflow text, agent text,
  labels jsonb, annotations jsonb, generator_url text, group_key text, receiver text, first_seen_at timestamptz,
  last_seen_at timestamptz, resolved_seen_at timestamptz, deliveries bigint, firings bigint, incident_id bigint
)
order by fingerprint, starts_at
on conflict (fingerprint, starts_at) do nothing

-- begin_occurrences: record deliveries whose alerts all begin, in stories that burn; where one does not, write nothing.
with told as materialized (
  select *
  from json_to_recordset(%(told)s::json) as o (
    story bigint, id bigint, alert_id text, at timestamptz, text text, fingerprint text, starts_at timestamptz,
    starts_at_text text, alertname text, severity text, cluster text, namespace text, workflow text, agent text,
    labels jsonb, annotations jsonb, generator_url text, group_key text, receiver text
  )
), burning as materialized (
  select s.story, s.begun, s.severity, s.look_at, i.id, i.asked
  from incidents i
  join json_to_recordset(%(stories)s::json) as s (
    story bigint, key text, begun bigint, severity text, look_at timestamptz
  ) on s.key = i.key
  -- By an array, so that the index of open stories is used however many there are.
  where i.state = 'open' and i.quiet_since is null
    and i.key = any(array(select k.key from json_to_recordset(%(stories)s::json) as k (key text)))
  order by i.id
  for update of i
), as_thought as materialized (
  select true as so
  where (select count(*) from burning) = %(burning)s and not exists (
    select
    from told o cross join lateral (
      -- One at a time, and within bounds: else every month is made ready, or read from end to end.
      select from alerts a
      where a.fingerprint = o.fingerprint and a.starts_at = o.starts_at
        and a.starts_at between %(first)s::timestamptz and %(last)s::timestamptz
      limit 1
    ) known
  )
), ready as materialized (
  select o.*, b.id as incident_id
  from told o join burning b on b.story = o.story
  where (select so from as_thought)
  order by o.fingerprint, o.starts_at
), kept as (
  insert into deliveries (received_at, key, receiver, group_key, external_url, truncated_alerts, alerts, body)
  select
    received_at, key, receiver, group_key, external_url, truncated_alerts, alerts,
    substring(%(bodies)b::bytea from first for size)
  from rows from (
    json_to_recordset(%(rows)s::json) as (
      received_at timestamptz, key uuid, receiver text, group_key text, external_url text, truncated_alerts bigint,
      alerts bigint, first integer, size integer
    )
  ) with ordinality as d (
    received_at, key, receiver, group_key, external_url, truncated_alerts, alerts, first, size, n
  )
  where (select so from as_thought)
  order by n
  returning id, key
), counted as (
  update incidents i
  set
    firing = i.firing + b.begun, asked = true,
    severity = case
      when b.severity in ('', i.severity) then i.severity
      when i.severity = '' then b.severity
      when coalesce(array_position(string_to_array(%(worst_first)s, ','), b.severity), 2147483647)
        < coalesce(array_position(string_to_array(%(worst_first)s, ','), i.severity), 2147483647) then b.severity
      else i.severity
    end,
    look_at = case when i.asked then least(i.look_at, b.look_at) else b.look_at end
  from burning b
  where i.id = b.id and (select so from as_thought)
), written as (
  insert into timeline (at, kind, text, incident_id, alert_id, detail)
  select at, %(kind)s, text, incident_id, alert_id, jsonb_build_object('receiver', receiver)
  from ready
), begun as (
  insert into alerts (
    id, fingerprint, starts_at, starts_at_text, status, inferred, ends_at, alertname, severity, cluster, namespace,
    workflow, agent, labels, annotations, generator_url, group_key, receiver, first_seen_at, last_seen_at,
    resolved_seen_at, deliveries, firings, incident_id
  )
  select
    id, fingerprint, starts_at, starts_at_text, 'firing', false, null, alertname, severity, cluster, namespace,
    workflow, agent, labels, annotations, generator_url, group_key, receiver, at, at, null, 1, 1, incident_id
  from ready
), asked as (
  select
    procrastinate_defer_jobs_v1(
      array_agg(
        row(%(queue)s, %(task)s, %(priority)s, null, null, jsonb_build_object('incident_id', b.id), null)
        ::procrastinate_job_to_defer_v1
      )
    )
  from burning b
  where not b.asked and (select so from as_thought)
  having count(*) > 0
)
select
  k.key::text, k.id,
  -- Nobody reads it; what nobody reads is not carried out.
  (select count(*) from asked)
from kept k
