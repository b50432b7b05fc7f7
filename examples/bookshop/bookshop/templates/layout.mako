<%namespace name="parts" file="parts.mako"/>\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title><%block name="title">Bookshop</%block></title>
<link rel="stylesheet" href="/static/shop.css">
<link rel="icon" href="data:,">
</head>
<body>
<header>
<a class="name" href="/">The Bookshop</a>
<p>Each framed fragment of a page is cached by itself. Its label says under which key, whether it was in the cache, and how
long it took.</p>
</header>
<div class="columns">
<main>
${self.body()}
</main>
<aside>
${parts.laboratory(laboratory, number, state())}
</aside>
</div>
${parts.comparison(page, library, statements)}
</body>
</html>
