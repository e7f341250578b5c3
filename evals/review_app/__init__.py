"""The review page: people read one answer at a time and judge it on one criterion.

An application of Starlette with pages made on the server, one script and one style. It opens no
port and knows no Dagster: `orchestration/web/review.py` serves it and adds what protects it from
other pages (the checks of `Host` and `Origin`, the content policy).

How to add pages:

- One module per area with `ROUTES`, listed in `app.AREAS`: `questions` (judging), `agreement`
  (people compared, and adjudication), `notes` (open notes and failure modes), `cases` (the
  regression set), `regrading` (changed rubrics).
- A route is `page(path, function)` for GET or `form(path, function)` for POST, both of
  `visits`. The function takes a `Visit` and returns a response; it is plain and runs in a thread.
  A visit has the site (lake, catalog, clock, indexes), the session (who, in which role), the
  parameters of the path, the query, and the form's fields. Nobody without a session gets there,
  a reader never gets to a form, and a form without the session's CSRF token is refused.
- A page is `render(visit, "NAME.html", **values)` of `visits`, with a template in `templates/`
  that extends `page.html` and fills its block `main`. Each `<form method="post">` contains
  `{{ csrf }}`. Texts of traces are escaped; nothing is inline: no `style=`, no `onclick=`, no
  `<script>` of its own.
- A key is an attribute: `data-key="c" data-help="Keep as a case"` on a link, button or field. The
  script clicks or focuses it, and the help overlay (`?`) lists every one of the page.
- After a form, answer with `redirect(path)`; refuse with `raise Refused(status, sentence)`.
- A link in the menu is a line in `MENU` of `rendering`.
"""
