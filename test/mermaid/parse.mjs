// Mermaid's own verdict on each text of a JSON array (a file or stdin), as a JSON array: its complaint, a string,
// or else what it draws, an array of lines: "pending in open", "pending : Pending", "pending --> paid : pay".
// Ends, notes and looks (classes, too) are left out, and a label's events are one line each.
import { readFileSync } from 'node:fs';
import { JSDOM } from 'jsdom';

// Mermaid cleans labels with DOMPurify, which wants a DOM.
const { window } = new JSDOM('');
Object.assign(globalThis, { window, document: window.document });
const { default: mermaid } = await import('mermaid');

// It copies its whole configuration for each label; that of other diagrams and of colours takes nine tenths of the time.
mermaid.initialize({});
const config = mermaid.mermaidAPI.updateSiteConfig({});
for (const [name, value] of Object.entries(config))
	if (typeof value === 'object' && name !== 'state' && name !== 'secure') delete config[name];
mermaid.mermaidAPI.reset();

function edge({ start, end, label }) {
	const [, events, guard] = /^(.*?)\s*(?:\[\s*(.*?)\s*\])?$/.exec(label);
	return (events || end).split(/\s*,\s*/).map((event) =>
		`${start} --> ${end} : ${event.replace(/^after\s.*/, 'after')} [${guard ?? ''}]`);
}

function node({ id, parentId, label, description }) {
	const lines = [`${id} in ${parentId ?? 'root'}`];
	for (const name of [label, ...description ?? []]) if (name !== id) lines.push(`${id} : ${name.trim()}`);
	return lines;
}

async function drawing(text) {
	if (/%%{|---/.test(text)) {	// its own configuration may be wrong, and must not be left behind
		await mermaid.parse(text);
		mermaid.mermaidAPI.reset();
	}
	const { db } = await mermaid.mermaidAPI.getDiagramFromText(text);	// what mermaid.parse() does, with the result
	const { nodes, edges } = db.getData();
	const ends = new Set(nodes.filter((n) => n.shape === 'stateEnd').map((n) => n.id));
	return [...new Set([
		...nodes.filter((n) => !/^(state(Start|End)|note|noteGroup)$/.test(n.shape)).flatMap(node),
		...edges.filter((e) => e.classes === 'transition' && !ends.has(e.end)).flatMap(edge),
	])].sort();
}

const verdicts = [];
for (const text of JSON.parse(readFileSync(process.argv[2] ?? 0, 'utf8')))
	verdicts.push(await drawing(text).catch((error) => error.message.split('\n')[0]));
process.stdout.write(JSON.stringify(verdicts));
