// Post-conditions (SIP-005, with the originator mode of SIP-040): what a transaction's
// signer allowed to move, held against what moved. It must never be asked about a
// transaction that failed: then nothing moved.
import { FungibleConditionCode as Amount, NonFungibleConditionCode as Sent, PostConditionMode, PostConditionPrincipalId as Whose, PostConditionType, addressToString, serializeCV } from "@stacks/transactions";

const STX = "STX";
const COMPARE = {
  [Amount.Equal]: (moved, said) => moved === said,
  [Amount.Greater]: (moved, said) => moved > said,
  [Amount.GreaterEqual]: (moved, said) => moved >= said,
  [Amount.Less]: (moved, said) => moved < said,
  [Amount.LessEqual]: (moved, said) => moved <= said,
};

const key = (principal, asset) => `${principal}|${asset}`;
const hex = (value) => serializeCV(value).replace(/^0x/, "");

/** What left whom: {fungible: principal|asset -> amount, single: set of principal|asset|value}. */
export function moved(events) {
  const fungible = new Map(), single = new Set();
  const add = (principal, asset, amount) => fungible.set(key(principal, asset), (fungible.get(key(principal, asset)) ?? 0n) + BigInt(amount));
  for (const { event, data } of events) {
    if (event === "stx_transfer_event" || event === "stx_burn_event") add(data.sender, STX, data.amount);
    if (event === "ft_transfer_event" || event === "ft_burn_event") add(data.sender, data.asset_identifier, data.amount);
    if (event === "nft_transfer_event" || event === "nft_burn_event")
      single.add(key(data.sender, `${data.asset_identifier}|${(data.raw_value ?? hex(data.value)).replace(/^0x/, "")}`));
  }
  return { fungible, single };
}

function principalOf(said, origin) {
  if (said.prefix === Whose.Origin) return origin;
  const address = addressToString(said.address);
  return said.prefix === Whose.Contract ? `${address}.${said.contractName.content}` : address;
}

const assetOf = ({ asset }) => (asset ? `${addressToString(asset.address)}.${asset.contractName.content}::${asset.assetName.content}` : STX);

/** Tell whether one condition holds; `named` notes which movements it speaks of. */
function holds(condition, origin, movements, named) {
  const who = principalOf(condition.principal, origin);
  if (condition.conditionType === PostConditionType.NonFungible) {
    const which = key(who, `${assetOf(condition)}|${hex(condition.assetName)}`), left = movements.single.has(which);
    named.add(which);
    return condition.conditionCode === Sent.MaybeSent || left === (condition.conditionCode === Sent.Sends);
  }
  const which = key(who, assetOf(condition));
  named.add(which);
  return COMPARE[condition.conditionCode](movements.fungible.get(which) ?? 0n, BigInt(condition.amount));
}

/**
 * Tell whether the events of a transaction keep its post-conditions. In Deny mode every
 * movement needs one; in originator mode, every movement of the origin's own.
 */
export function keeps(transaction, origin, events) {
  const movements = moved(events), named = new Set();
  const kept = transaction.postConditions.values.map((condition) => holds(condition, origin, movements, named));
  if (!kept.every(Boolean)) return false;
  if (transaction.postConditionMode === PostConditionMode.Allow) return true;
  const own = transaction.postConditionMode === PostConditionMode.Originator;
  return [...movements.fungible.keys(), ...movements.single].every((which) => named.has(which) || (own && !which.startsWith(`${origin}|`)));
}
