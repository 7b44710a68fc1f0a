"""Actions of browser tests on the authority's pages, and the checks of each page."""

from support.authority import PASSWORD


def heading(page):
    return page.locator("h1").inner_text()


def sign_on(page, url):
    page.goto(url)
    page.get_by_label("Username").fill("demouser")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign on").click()
    page.wait_for_selector("h1:has-text('act for you?')")


def problems(page):
    """Return what an accessibility checker would report: overflow, names, sizes, contrast, structure."""
    return page.evaluate(CHECKS)


CHECKS = """() => {
  const found = [];
  if (document.documentElement.scrollWidth > innerWidth) found.push('scrolls sideways');
  if (!document.documentElement.lang) found.push('no language');
  if (document.querySelectorAll('h1').length !== 1) found.push('not one h1');
  if (document.querySelectorAll('main').length !== 1) found.push('not one main');
  let level = 0;
  for (const each of document.querySelectorAll('h1,h2,h3,h4,h5,h6')) {
    if (+each.tagName[1] > level + 1) found.push('skips to ' + each.tagName);
    level = +each.tagName[1];
  }
  for (const each of document.querySelectorAll('input:not([type=hidden])')) {
    if (!each.checkVisibility()) continue;
    if (!each.labels.length) found.push('no label: ' + each.name);
    if (!each.autocomplete) found.push('no autocomplete: ' + each.name);
  }
  for (const each of document.querySelectorAll('button, input:not([type=hidden])')) {
    if (!each.checkVisibility()) continue;
    const box = each.getBoundingClientRect();
    if (box.height < 44 || box.width < 44)
      found.push('too small: ' + (each.innerText || each.name) + ' ' + box.height);
  }
  const ids = [...document.querySelectorAll('[id]')].map(each => each.id);
  if (new Set(ids).size !== ids.length) found.push('an id stands twice');
  const rgb = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b]
    .map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = each => {
    for (; each; each = each.parentElement) {
      const colour = rgb(getComputedStyle(each).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  for (const each of document.querySelectorAll('h1,h2,h3,p,b,strong,label,button,a,code,time,li')) {
    if (!each.innerText.trim()) continue;
    const [a, b] = [light(rgb(getComputedStyle(each).color)), light(ground(each))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) found.push('contrast ' + ratio.toFixed(2) + ': ' + each.innerText.slice(0, 30));
  }
  return found;
}"""
