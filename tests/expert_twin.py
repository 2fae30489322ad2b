"""The expert model's predictions once more, slowly: strings, lists and dictionaries, the definitions written out."""

import math

from dnastudy.data.sequences import reverse_complement
from dnastudy.models.expert import state as layout

LETTERS = "ACGT"
END = "$"


class Copy:
    """One earlier occurrence that is followed: where it points, and its last 32 successes, the latest first."""

    def __init__(self, pointer, successes, known):
        self.pointer, self.successes, self.known = pointer, successes, known

    hits = property(lambda self: sum(self.successes))
    run = property(lambda self: [*self.successes, False].index(False))

    def kind(self):
        run = self.run
        step = next(i for i, top in enumerate([0, 1, 2, 3, 5, 7, 11, 15, 19, 31, 32]) if run <= top)
        valid = 0 if self.known < 16 else 1 if self.known < 32 else 2
        return (valid * 11 + step) * 33 + self.known - self.hits


class Strand:
    """Genes of one strand in shards."""

    def __init__(self, shards):
        self.text = "".join(gene + END for shard in shards for gene in shard)
        self.shards, at = [], 0
        for shard in shards:
            size = sum(len(gene) + 1 for gene in shard)
            own = self.text[at : at + size]
            wrapped = own * (1 + 27 // size) + own if size < 27 else own[-27:] + own
            before = {at + i: wrapped[len(wrapped) - size + i - 27 : len(wrapped) - size + i] for i in range(size)}
            self.shards.append(sorted(before.items(), key=lambda item: ["ACGT$".index(x) for x in item[1][::-1]]))
            at += size

    def occurrences(self, shard, context):
        return [place for place, before in self.shards[shard] if before.endswith(context)]


class Twin:
    """Plain-Python twin of a fitted expert model."""

    def __init__(self, model, shards):
        self.tables, self.gate, self.shift = model.tables, model.gate, model.settings.max_indel
        self.use = set(model.settings.experts)
        self.strands = [Strand(shards), Strand([[reverse_complement(gene) for gene in shard] for shard in shards])]

    def log_distributions(self, gene):
        """Rows of log-probabilities of A, C, G, T and the end."""
        self.copies = [[], []]
        self.record = [[0.0] * layout.NUM_EXPERTS for _ in layout.DECAYS]
        rows = []
        for i in range(len(gene) + 1):
            experts, facts, ending = self.expect(gene[:i])
            rows.append(self.mix(experts, facts, ending))
            if i < len(gene):
                self.learn(experts, gene[i])
        return rows

    # experts

    def expect(self, prefix):
        experts, facts = [[0.0] * 4 for _ in layout.EXPERTS], [0.0] * layout.NUM_FACTS
        ends = self.tables.end
        hazard = ends[min(int(8 * math.log2(1 + len(prefix) / 8)), len(ends) - 1)]
        ending = {"position": math.log(hazard / (1 - hazard)), "copies": 0.0}
        found = [self.contexts(strand, prefix) for strand in range(2)]
        if "context" in self.use:
            for e, k in enumerate(layout.CONTEXT_ORDERS):
                counts, end = self.followers(0, found[0], k)
                experts[e], facts[e] = _smoothed(counts, k)
                ending[k] = math.log((end + hazard) / (sum(counts) + end + 1) / hazard)
        for strand, family, at in ((0, "copy", layout.COPY_AT), (1, "reverse", layout.REVERSE_COPY_AT)):
            if family in self.use:
                self.start_copies(strand, found[strand], prefix)
                three, four, weight, end = self.ask_copies(strand, prefix)
                experts[at : at + 3] = three
                facts[layout.NUM_EXPERTS + 4 * strand : layout.NUM_EXPERTS + 4 * strand + 4] = four
                if strand == 0:
                    ending["copies"] = math.log((end + hazard) / (weight + 1) / hazard)
        if "reverse" in self.use:
            for e, k in enumerate(layout.REVERSE_ORDERS, layout.REVERSE_AT):
                experts[e], facts[e] = _smoothed(self.followers(1, found[1], k)[0], k)
        if "own" in self.use:
            for e, k in enumerate(layout.OWN_ORDERS, layout.OWN_AT):
                if k <= len(prefix):
                    experts[e], facts[e] = _smoothed(_followers(prefix, prefix[len(prefix) - k :]), k)
        if "inverted" in self.use and len(prefix) >= layout.INVERTED_ORDER:
            last = prefix[-layout.INVERTED_ORDER :]
            counts = _followers(reverse_complement(prefix), last)
            experts[layout.INVERTED_AT], facts[layout.INVERTED_AT] = _smoothed(counts, layout.INVERTED_ORDER)
        depth = max(found[0]) if self.use & {"context", "copy"} else 1
        facts[layout.DEPTH_FACT] = depth / layout.DEPTH
        facts[layout.DEPTH_FACT + 1] = math.log(1 + len(prefix))
        facts[layout.RECORD_AT :] = [x for decay in self.record for x in decay]
        told = [1.0, ending["position"], *(ending.get(k, 0.0) for k in layout.END_ORDERS), ending["copies"]]
        return experts, facts, told

    def contexts(self, strand, prefix):
        """Occurrences by context length, per shard: found[k] = [places in shard 0, ...], as long as there are any."""
        whole = END + prefix
        found = {}
        for k in range(1, min(len(whole), layout.DEPTH) + 1):
            places = [self.strands[strand].occurrences(s, whole[-k:]) for s in range(len(self.strands[strand].shards))]
            if not any(places):
                break
            found[k] = places
        return found or {0: []}

    def followers(self, strand, found, k):
        text = self.strands[strand].text
        symbols = [text[place] for places in found.get(k, []) for place in places]
        return [symbols.count(letter) for letter in LETTERS], symbols.count(END)

    def start_copies(self, strand, found, prefix):
        text, copies = self.strands[strand].text, self.copies[strand]
        known = min(32, len(prefix))
        if not known or len(prefix) % layout.PROPOSED_EVERY:
            return
        enough = layout.SIMILAR if known == 32 else max(layout.SIMILAR - (32 - known) // 2, min(10, known))
        for shard in range(len(self.strands[strand].shards)):
            lists = [found[k][shard] for k in sorted(found) if k and found[k][shard]]
            if not lists:
                continue
            places = next((x for x in lists if len(x) <= layout.OCCURRENCES), lists[-1])
            for place in places[: layout.OCCURRENCES]:
                same = [d <= known and _letter(text, place - d) == prefix[-d] for d in range(1, 33)]
                new = Copy(place, same, known)
                hits, run = new.hits, new.run
                near = [c for c in copies if abs(c.pointer - place) <= self.shift]
                if any(c.pointer == place for c in copies) or text[place] == END:
                    continue
                if hits < enough and (run < layout.RESUMED or not near):
                    continue
                if near and hits < known:
                    for c in near:
                        joined = Copy(place, same[:run] + c.successes[run:], max(new.known, c.known))
                        if joined.hits > new.hits:
                            new = joined
                if new.hits < enough:
                    continue
                if len(copies) < layout.COPIES:
                    copies.append(new)
                    continue
                worst = min(range(len(copies)), key=lambda j: copies[j].hits)
                if copies[worst].hits < new.hits:
                    copies[worst] = new

    def ask_copies(self, strand, prefix):
        text, tables = self.strands[strand].text, self.tables
        last = LETTERS.index(prefix[-1]) if prefix else 0
        total = end = top = 0.0
        mean, votes, best = [0.0] * 4, [0.0] * 4, None
        voters = 0
        for c in self.copies[strand]:
            kind = c.kind()
            weight = tables.weight[strand][kind]
            total += weight
            if text[c.pointer] == END:
                end += weight
                continue
            voters += 1
            after = "ACGT$".index(text[c.pointer + 1])
            case = ((tables.level[strand][kind] * 4 + LETTERS.index(text[c.pointer])) * 5 + after) * 4 + last
            p = tables.symbol[strand][case]
            mean = [m + weight * x for m, x in zip(mean, p, strict=True)]
            votes = [v + math.log(x) for v, x in zip(votes, p, strict=True)]
            if tables.hit[strand][kind] > top:
                top, best, expected = tables.hit[strand][kind], c, [math.log(x) for x in p]
        if not voters:
            return [[0.0] * 4] * 3, [0.0] * 4, total, end
        three = [[math.log(m) for m in mean], expected, [v / math.sqrt(1 + voters) for v in votes]]
        return [_centred(x) for x in three], [top, math.log(1 + voters), best.hits / 32, best.run / 32], total, end

    # learning and mixing

    def learn(self, experts, letter):
        code = LETTERS.index(letter)
        for decay, record in zip(layout.DECAYS, self.record, strict=True):
            for e, expert in enumerate(experts):
                record[e] = decay * record[e] + (1 - decay) * expert[code]
        for strand in range(2):
            text, kept = self.strands[strand].text, []
            for c in self.copies[strand]:
                if text[c.pointer] == END:
                    continue
                moved = Copy(c.pointer + 1, [text[c.pointer] == letter, *c.successes[:31]], min(32, c.known + 1))
                if moved.known - moved.hits > layout.TOLERATED:
                    continue
                if moved.known >= 16 and sum(moved.successes[:16]) < 6:
                    continue
                kept.append(moved)
            self.copies[strand] = kept

    def mix(self, experts, facts, ending):
        gate = [array.tolist() for array in self.gate]
        inputs, hidden_bias, outputs, bias, end = gate
        hidden = [max(0.0, b + sum(f * inputs[i][h] for i, f in enumerate(facts))) for h, b in enumerate(hidden_bias)]
        weights = [b + sum(x * outputs[h][e] for h, x in enumerate(hidden)) for e, b in enumerate(bias)]
        logits = [sum(w * expert[s] for w, expert in zip(weights, experts, strict=True)) for s in range(4)]
        total = math.log(sum(math.exp(x) for x in logits))
        odds = math.exp(sum(w * x for w, x in zip(end, ending, strict=True)))
        return [x - total - math.log(1 + odds) for x in logits] + [math.log(odds / (1 + odds))]


def _letter(text, place):
    """Letter of the indexed text; ends, and what would precede the first gene, count as A."""
    return "A" if place < 0 or text[place] == END else text[place]


def _followers(text, context):
    starts = [i for i in range(len(text) - len(context)) if text.startswith(context, i)]
    return [sum(text[i + len(context)] == letter for i in starts) for letter in LETTERS]


def _smoothed(counts, order):
    add = 1 / 2 if order < layout.LARGE else 1 / 16
    return _centred([math.log(count + add) for count in counts]), math.log(1 + sum(counts))


def _centred(values):
    mean = sum(values) / len(values)
    return [value - mean for value in values]
