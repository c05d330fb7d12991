"""A page as a browser would take it apart: what is open, what is linked, what is said."""

from html.parser import HTMLParser

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """Checks that elements nest, and collects ids, references, tags and text by article."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.references, self.tags, self.links, self.articles = [], [], [], [], [], {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.tags.append((tag, values))
        if tag not in VOID:
            self.open.append((tag, values.get("id")))
        self.ids += [values["id"]] if "id" in values else []
        for name in ("aria-labelledby",):
            self.references += values.get(name, "").split()
        target = values.get("href", "")
        (self.references if target.startswith("#") else self.links).append(target.lstrip("#"))

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1][0] == tag, f"</{tag}> closes {self.open[-1]} at {self.getpos()}"
        self.open.pop()

    def handle_data(self, data):
        for tag, name in self.open:
            if tag == "article":
                self.articles[name] = self.articles.get(name, "") + data
