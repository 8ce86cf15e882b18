(() => {
  const id = (name) => document.getElementById(name);
  const rows = [...document.querySelectorAll('#matrix tbody tr')];
  const heads = [...document.querySelectorAll('#matrix thead th.c')];
  const findings = [...document.querySelectorAll('#findings > li')];
  const words = (text) => text.toLowerCase().split(/\s+/).filter(Boolean);
  const has = (text, wanted) => wanted.every((word) => text.includes(word));
  const text = (element) => element.textContent.toLowerCase();
  const rowTexts = rows.map((row) => text(row.querySelector('th.r')));
  const headTexts = heads.map(text);
  const findingTexts = findings.map(text);
  const routes = () => {
    const wanted = words(id('routes').value);
    let shown = 0;
    rows.forEach((row, at) => {
      const keep = has(rowTexts[at], wanted);
      row.classList.toggle('gone', !keep);
      shown += keep ? 1 : 0;
    });
    findings.forEach((item, at) => item.classList.toggle('gone', !has(findingTexts[at], wanted)));
    id('shown').textContent = `${shown} of ${rows.length} routes`;
    id('none').classList.toggle('gone', shown > 0);
  };
  const roles = () => {
    const wanted = words(id('roles').value);
    const keep = headTexts.map((head) => has(head, wanted));
    heads.forEach((head, at) => head.classList.toggle('gone', !keep[at]));
    rows.forEach((row) => {
      row.querySelectorAll('td').forEach((cell, at) => cell.classList.toggle('gone', !keep[at]));
    });
  };
  id('routes').addEventListener('input', routes);
  id('roles').addEventListener('input', roles);
  id('why').addEventListener('change', (event) => id('matrix').classList.toggle('why', event.target.checked));
  routes();
  roles();
})();
