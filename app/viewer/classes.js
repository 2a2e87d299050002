// A deck's own classes as lines of a text, a label each. A class is known by its name: under another label it is the same
// one, and pictures keep their truths.

const LONGEST = 80; // characters of a name or a label

// What lines stand for after an edit, which changes one stretch of them. Those before and after it stay; a stretch of as many
// lines as before has other labels for the same classes; otherwise its lines are nobody's yet.
export function follow(lines, labels) {
  const shift = lines.length - labels.length;
  let head = 0, tail = labels.length;
  while (head < tail && lines[head]?.label === labels[head]) head += 1;
  while (tail > head && tail + shift > head && lines[tail + shift - 1].label === labels[tail - 1]) tail -= 1;
  return labels.map((label, i) => {
    const before = i < head ? lines[i] : i >= tail || !shift ? lines[i + shift] : null;
    return { name: before?.name, label };
  });
}

// The classes that lines come to: none for an empty line, one for each label. A line of nobody's is the class that had its
// label before, as after cut and paste; or a new one, named by its label.
export function classesOf(lines, before) {
  const known = new Map(before.map(({ name, label }) => [label, name]));
  const taken = new Set(lines.map(({ name }) => name)), classes = new Map();
  for (const line of lines) {
    const label = line.label.trim().slice(0, LONGEST);
    if (!label || classes.has(label)) continue;
    const name = line.name ?? free(known.get(label) ?? label, taken);
    taken.add(name);
    classes.set(label, { name, label });
  }
  return [...classes.values()];
}

function free(name, taken) {
  let found = name;
  for (let number = 2; taken.has(found); number += 1) found = `${name.slice(0, LONGEST - 6)} (${number})`;
  return found;
}
