/* Of the page: copy buttons, tables that are searched, sorted, filtered and grouped, and links into what is folded. */
(() => {
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const make = (tag, fields = {}, ...inner) => {
    const element = Object.assign(document.createElement(tag), fields);
    element.append(...inner);
    return element;
  };
  const titles = { model: "Model", preset: "Preset", precision: "Precision", device: "Device", state: "State", verdict: "Verdict" };
  const said = document.getElementById("said");
  const tables = [];
  document.documentElement.classList.add("live");

  async function copyText(text) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {  // not allowed for this page: the old way
      const field = make("textarea", { value: text });
      document.body.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
    }
  }

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button.copy");
    if (!button) return;
    await copyText(button.dataset.copy);
    all("button.copy.done").forEach((other) => other.classList.remove("done"));
    button.classList.add("done");
    button.focus();
    said.textContent = `Copied: ${button.dataset.copy}`;
  });

  class Finder {
    constructor(table) {
      this.table = table;
      this.fields = table.dataset.finder.split(" ");
      this.noun = table.dataset.noun;
      this.most = Number(table.dataset.page) || Infinity;
      this.rows = all("tbody > tr:not(.group):not(.reasons)", table).map((row, place) => {
        const next = row.nextElementSibling;
        const more = next && next.classList.contains("reasons") ? [next] : [];
        const words = [row, ...more].map((each) => each.textContent).concat(Object.values(row.dataset));
        return { row, more, place, text: words.join(" ").toLowerCase() };
      });
      this.sort = null;
      this.addSorting();
      this.addBar();
      this.show();
    }

    addSorting() {
      this.heads = all("thead th", this.table);
      this.heads.forEach((head, column) => {
        if (!head.dataset.sort) return;
        const button = make("button", { type: "button", className: "sort" }, ...head.childNodes);
        head.append(button);
        button.addEventListener("click", () => {
          const same = this.sort && this.sort.column === column;
          this.sort = same && this.sort.turn < 0 ? null : { column, turn: same ? -1 : 1, kind: head.dataset.sort };
          this.heads.forEach((other) => other.removeAttribute("aria-sort"));
          if (this.sort) head.setAttribute("aria-sort", this.sort.turn > 0 ? "ascending" : "descending");
          this.show();
        });
      });
    }

    addBar() {
      const bar = make("div", { className: "finder" });
      bar.setAttribute("role", "group");
      bar.setAttribute("aria-label", `Find a ${this.noun}`);
      this.search = make("input", { type: "search", placeholder: `Search ${this.noun}s`, autocomplete: "off" });
      this.search.setAttribute("aria-label", `Search ${this.noun}s`);
      this.search.addEventListener("input", () => this.show());
      bar.append(this.search);
      this.filters = [];
      for (const field of this.fields) {
        const values = [...new Set(this.rows.map(({ row }) => row.dataset[field]))].sort();
        if (values.length < 2) continue;
        const options = ["", ...values].map((value) => make("option", { value, textContent: value || "all" }));
        this.filters.push([field, this.addSelect(bar, titles[field], options)]);
      }
      const grouping = this.fields.filter((field) => field !== "state" && field !== "verdict");
      if (grouping.length) {
        const options = ["", ...grouping].map((value) => make("option", { value, textContent: value || "nothing" }));
        this.group = this.addSelect(bar, "Group by", options);
        this.group.value = this.table.dataset.group || "";
      }
      this.count = make("output", { className: "count" });
      this.all = make("button", { type: "button", className: "all", textContent: "Show all" });
      this.all.addEventListener("click", () => { this.most = Infinity; this.show(); this.search.focus(); });
      bar.append(this.count, this.all);
      const place = this.table.closest(".scroll") || this.table;
      place.before(bar);
    }

    addSelect(bar, title, options) {
      const select = make("select", {}, ...options);
      select.addEventListener("change", () => this.show());
      bar.append(make("label", {}, make("span", { textContent: title }), select));
      return select;
    }

    wants({ row, text }) {
      const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
      return words.every((word) => text.includes(word))
        && this.filters.every(([field, select]) => !select.value || row.dataset[field] === select.value);
    }

    order(rows) {
      if (!this.sort) return rows;
      const { column, turn, kind } = this.sort;
      const keys = new Map(rows.map((item) => [item, this.key(item.row, column, kind)]));
      return [...rows].sort((a, b) => {
        const [x, y] = [keys.get(a), keys.get(b)];
        if (x === null || y === null) return (x === null) - (y === null) || a.place - b.place;
        return turn * (kind === "number" ? x - y : x.localeCompare(y, "en", { numeric: true })) || a.place - b.place;
      });
    }

    key(row, column, kind) {
      let at = 0;
      const cell = [...row.cells].find((each) => (at += each.colSpan) > column);
      if (!cell || (cell.colSpan > 1 && kind === "number")) return null;  // "not available" over several columns
      if (kind !== "number") return cell.textContent.trim();
      const text = cell.dataset.v !== undefined ? cell.dataset.v : cell.firstChild ? cell.firstChild.textContent : "";
      const value = parseFloat(text.replace(/[\s\u202f\u00a0]/g, "").replace("−", "-"));
      return Number.isNaN(value) ? null : value;
    }

    show() {
      const wanted = this.order(this.rows.filter((item) => this.wants(item)));
      const shown = new Set(wanted.slice(0, this.most));
      const rest = this.rows.filter((item) => !shown.has(item));
      this.rows.forEach((item) => [item.row, ...item.more].forEach((row) => { row.hidden = !shown.has(item); }));
      const field = this.group ? this.group.value : "";
      const groups = new Map();
      for (const item of [...shown, ...rest]) {
        const name = field ? item.row.dataset[field] : "";
        groups.set(name, [...(groups.get(name) || []), item]);
      }
      all("tbody", this.table).forEach((body) => body.remove());
      for (const [name, items] of groups) this.table.append(this.makeBody(field, name, items, shown));
      this.count.textContent = `${shown.size} of ${this.rows.length} ${this.noun}s`;
      this.all.hidden = wanted.length <= shown.size;
    }

    makeBody(field, name, items, shown) {
      const body = make("tbody");
      body.setAttribute("role", "rowgroup");
      if (field) {
        const head = make("th", { scope: "rowgroup", colSpan: this.heads.length, textContent: name });
        head.setAttribute("role", "rowheader");
        const row = make("tr", { className: "group" }, head);
        row.setAttribute("role", "row");
        row.hidden = !items.some((item) => shown.has(item));
        body.append(row);
      }
      items.forEach((item) => body.append(item.row, ...item.more));
      return body;
    }

    reveal() {
      this.search.value = "";
      this.filters.forEach(([, select]) => { select.value = ""; });
      this.most = Infinity;
      this.show();
    }
  }

  function follow() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let place = target; place; place = place.parentElement) if (place.tagName === "DETAILS") place.open = true;
    if (target.closest("[hidden]")) tables.forEach((finder) => finder.table.contains(target) && finder.reveal());
    target.scrollIntoView();
  }

  all("table[data-finder]").forEach((table) => tables.push(new Finder(table)));
  const folded = new Set();
  addEventListener("beforeprint", () => {
    all("details:not([open])").forEach((each) => { folded.add(each); each.open = true; });
  });
  addEventListener("afterprint", () => { folded.forEach((each) => { each.open = false; }); folded.clear(); });
  addEventListener("hashchange", follow);
  document.addEventListener("click", (event) => {  // a link to where the page already is changes no hash
    const link = event.target.closest('a[href^="#"]');
    if (link && link.hash === location.hash) follow();
  });
  if (location.hash) follow();
})();
