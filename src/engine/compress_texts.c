/*
 * compress_texts.c: texts on which a model is compressed when its owner gives none: short and
 * long ones of the kinds that databases hold, in several languages and scripts.  All are
 * written for this purpose; names in them belong to nobody.
 */
#define LEPTON_ENGINE_SOURCE
#include "compress.h"

/* clang-format off */
const char *const lep_sample_texts[] = {
	/* subject lines and short phrases */
	"Re: meeting on Thursday",
	"Your invoice for March is ready",
	"[dev] Release 2.4.1 is out",
	"Password reset",
	"FW: updated slides for the board",
	"Out of office until the 14th",
	"Re: Re: broken build on the main branch",
	"Weekly digest: 12 new articles",
	"Your parcel has been shipped",
	"URGENT!!! You have been selected to receive a prize",
	"lunch?",
	"Reminder: dentist appointment tomorrow at 9:30",
	"Call for papers: workshop on database systems",
	"Make money from home, no experience needed",
	"Minutes of the committee, 3 June",
	"[bug #4127] crash when the window is resized",
	"Happy birthday!",
	"new photos from the trip",
	"Server maintenance this weekend",
	"Quarterly results beat expectations",
	"Cheap tickets to Lisbon",
	"re: quick question about the contract",
	"Subscription expires in 3 days",
	"kernel panic after upgrade to 5.15",
	"Welcome to the mailing list",
	"Order 88213 has been cancelled",
	"How do I return a damaged item?",
	"ok",
	"2",
	"thanks, that works",
	"black running shoes size 42",
	"wireless noise cancelling headphones",
	"best pizza near the station",
	"capital of Australia",
	"what is the difference between TCP and UDP",
	"error 404 not found",
	"ISO 9001:2015",
	"42 Elm Street, Springfield",
	"+1 (555) 010-0199",
	"https://www.example.com/docs/index.html?page=2&lang=en#top",
	"user@example.com",
	"!!!",
	"E = mc^2",
	/* questions and requests */
	"How can I change the billing address of my account?",
	"Is there a way to export all my data as a CSV file?",
	"The app closes by itself every time I open the settings page on my phone.",
	"I was charged twice for the same order, please refund one of the payments.",
	"Could you tell me when the blue jacket will be back in stock in size M?",
	"My router keeps losing the connection at night. I have already restarted it and changed "
	"the cable, but nothing helps.",
	"Please delete my account and all the personal data that you hold about me.",
	"The delivery was two days late and the box was open, although nothing was missing.",
	"I cannot log in: the page says that my password is wrong, but I have just reset it.",
	"Great service, friendly staff, and the food came quickly. We will come back!",
	"Terrible experience. Nobody answered the phone for an hour and the room was dirty.",
	"The battery lasts about two days, which is fine, but the camera is disappointing in low "
	"light.",
	"Who was the first person to reach the South Pole, and in which year?",
	"What should I cook for eight people if two of them are vegetarian?",
	"Does this insurance cover water damage caused by a burst pipe?",
	"Can I bring my dog on the train without paying for a ticket?",
	/* sentences of many subjects */
	"The cat sat on the windowsill and watched the rain.",
	"A man is playing a guitar on stage in front of a large crowd.",
	"Two children are building a castle of sand at the beach.",
	"She had never seen the mountains so clear as on that morning in October.",
	"Photosynthesis turns light, water and carbon dioxide into sugar and oxygen.",
	"The treaty was signed in 1648 and ended thirty years of war.",
	"Mix the flour, sugar and butter, add two eggs, and bake for 35 minutes at 180 degrees.",
	"The patient shows no fever but complains of pain in the left knee when climbing stairs.",
	"The tenant shall give notice in writing at least three months before the end of the term.",
	"The striker scored twice in the last ten minutes to win the match 3-2.",
	"A transaction either takes effect as a whole or not at all.",
	"Light travels about 299,792 kilometres in one second.",
	"The orchestra opened the season with a symphony that had been lost for over a century.",
	"Voters in the northern districts turned out in larger numbers than four years ago.",
	"An earthquake of magnitude 6.1 was felt along the coast; no damage was reported.",
	"The new bridge will carry trams, bicycles and pedestrians, but no cars.",
	"Bees tell each other where flowers are by dancing.",
	"The museum is closed on Mondays and open until nine in the evening on Fridays.",
	"Old maps show a river where the market square is today.",
	"The study followed 1,200 adults over five years and found no difference between the "
	"groups.",
	/* finance and news */
	"Shares of the chip maker fell 7.3% on Tuesday after it cut its forecast for the second "
	"half of the year.",
	"The central bank left its key rate unchanged at 4.25 percent and said that inflation "
	"remains above target.",
	"Net income rose to $412.6 million, or $1.87 a share, from $355.1 million a year earlier; "
	"revenue grew 9 percent to $3.2 billion.",
	"Oil prices slipped below 70 dollars a barrel as supplies grew and demand from factories "
	"weakened.",
	"The airline said it would buy 40 aircraft and retire its oldest planes by the end of the "
	"decade.",
	"Regulators opened an inquiry into whether the company had told investors about the breach "
	"in time.",
	"The bond matures in 2031 and pays a coupon of 3.5 % twice a year.",
	"Analysts expect margins to recover once raw materials become cheaper, but warn that wages "
	"will keep rising.",
	"The start-up raised 15 million euros from two funds to expand its warehouse robots to "
	"other countries.",
	"EUR/USD 1.0832 (+0.4%), gold 2,015.30, 10-year yield 4.12 percent, volatility index 14.8",
	"Unemployment fell to its lowest level in eleven years, with most new jobs in health care "
	"and construction.",
	/* code, logs, markup, data */
	"SELECT name, count(*) FROM orders JOIN customers USING (customer_id) WHERE created_at > "
	"now() - interval '7 days' GROUP BY name ORDER BY 2 DESC LIMIT 10;",
	"for (int i = 0; i < n; i++)\n\tsum += values[i] * weights[i];",
	"def area(radius):\n    \"\"\"Area of a circle.\"\"\"\n    return 3.14159 * radius ** 2",
	"Traceback (most recent call last):\n  File \"main.py\", line 12, in <module>\n    "
	"run(config[\"port\"])\nKeyError: 'port'",
	"2024-03-18 07:42:11.093 UTC [2211] ERROR:  duplicate key value violates unique constraint "
	"\"users_email_key\"",
	"<html><head><title>Sale</title></head><body><p>Buy <b>one</b>, get <b>two</b>! "
	"<a href=\"http://shop.example/now\">Click here</a></p></body></html>",
	"{\"id\": 17, \"status\": \"active\", \"tags\": [\"red\", \"large\"], \"price\": 12.50}",
	"git commit -m \"Fix the off-by-one error in the pager\" && git push origin main",
	"#include <stdio.h>\n\nint main(void)\n{\n\tprintf(\"hello, world\\n\");\n\treturn 0;\n}",
	"gcc: error: unrecognized command-line option '-fno-such-flag'; did you mean '-fno-sched'?",
	"id;name;city;amount\n1;A. Example;Bern;12.40\n2;B. Example;Graz;7.95\n3;C. "
	"Example;Ghent;103.00",
	"0x7ffd3c21a8e0 0x0000000000401136 0xdeadbeef 1e-12 3.1415926535 -273.15",
	"----- Original Message -----\nFrom: sales\nTo: support\nSent: Monday, 11:04\nSubject: "
	"price list",
	"> On Tuesday you wrote:\n> > Has anybody tried the new driver?\n> Yes, it works "
	"here.\nSame here, but only after a reboot.",
	"_______________________________________________\nannounce mailing list\nTo unsubscribe, "
	"send an empty message to announce-leave@lists.example.org",
	/* other languages and scripts */
	"Der Zug nach Hamburg f\xC3\xA4hrt heute wegen einer St\xC3\xB6rung zwanzig Minuten "
	"sp\xC3\xA4ter ab.",
	"Bitte senden Sie mir die Rechnung noch einmal als PDF; die letzte konnte ich nicht "
	"\xC3\xB6"
	"ffnen.",
	"Le mus\xC3\xA9"
	"e est ouvert tous les jours sauf le mardi, de dix heures \xC3\xA0 dix-huit heures.",
	"Je voudrais annuler ma commande et \xC3\xAAtre rembours\xC3\xA9"
	"e.",
	"\xC2\xBF"
	"D\xC3\xB3nde puedo encontrar la factura del mes pasado?",
	"El paquete lleg\xC3\xB3 roto y nadie contesta al tel\xC3\xA9"
	"fono desde hace una semana.",
	"Il treno per Firenze parte dal binario cinque alle otto e venti.",
	"A encomenda chegou ontem, mas faltava uma das pe\xC3\xA7"
	"as.",
	"De vergadering is verplaatst naar donderdagmiddag in zaal drie.",
	"Prosz\xC4\x99 o przes\xC5\x82"
	"anie faktury na nowy adres.",
	"Yeni telefonumun \xC5\x9F"
	"arj\xC4\xB1 bir g\xC3\xBCn bile dayanm\xC4\xB1yor.",
	"M\xC3\xB6tet b\xC3\xB6rjar klockan nio, ta g\xC3\xA4rna med en kopp kaffe.",
	"\xD0\x9F\xD0\xBE\xD0\xB5\xD0\xB7\xD0\xB4 \xD0\xBE\xD0\xBF\xD0\xB0\xD0\xB7\xD0\xB4\xD1\x8B"
	"\xD0\xB2\xD0\xB0\xD0\xB5\xD1\x82 \xD0\xBD\xD0\xB0 \xD1\x87\xD0\xB0\xD1\x81.",
	"\xCE\x9A\xCE\xB1\xCE\xBB\xCE\xB7\xCE\xBC\xCE\xAD\xCF\x81\xCE\xB1, "
	"\xCF\x80\xCE\xBF\xCF\x8D "
	"\xCE\xB5\xCE\xAF\xCE\xBD\xCE\xB1\xCE\xB9 \xCE\xBF \xCF\x83\xCF\x84\xCE\xB1\xCE\xB8\xCE\xBC"
	"\xCF\x8C\xCF\x82;",
	"\xE4\xBB\x8A\xE5\xA4\xA9\xE7\x9A\x84\xE5\xA4\xA9\xE6\xB0\x94\xE5\xBE\x88\xE5\xA5\xBD\xEF\xBC"
	"\x8C\xE6\x88\x91\xE4\xBB\xAC\xE5\x8E\xBB\xE5\x85\xAC\xE5\x9B\xAD\xE5\x90\xA7\xE3\x80\x82",
	"\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E\xE3\x81\xAE\xE6\x96\x87\xE7\xAB\xA0\xE3\x82\x82\xE5\xB0"
	"\x91\xE3\x81\x97\xE5\x85\xA5\xE3\x82\x8C\xE3\x81\xA6\xE3\x81\x8A\xE3\x81\x8F\xE3\x80\x82",
	"\xED\x9A\x8C\xEC\x9D\x98\xEB\x8A\x94 \xEC\x98\xA4\xED\x9B\x84 \xEC\x84\xB8 "
	"\xEC\x8B\x9C\xEC"
	"\x97\x90 \xEC\x8B\x9C\xEC\x9E\x91\xED\x95\xA9\xEB\x8B\x88\xEB\x8B\xA4.",
	"\xD8\xA3\xD9\x8A\xD9\x86 \xD8\xAA\xD9\x82\xD8\xB9 \xD8\xA3\xD9\x82\xD8\xB1\xD8\xA8 "
	"\xD9\x85"
	"\xD8\xAD\xD8\xB7\xD8\xA9\xD8\x9F",
	"Caf\xC3\xA9 \xE2\x98\x95 \xE2\x80\x93 5 \xE2\x82\xAC \xF0\x9F\x98\x80\xF0\x9F\x8E\x89",
	/* e-mails and articles */
	"Hi all,\n\nthe room on the second floor is taken on Wednesday, so we meet in the library "
	"instead, same time. Please bring your notes from last week. If you cannot come, tell me "
	"by noon so that I can move the demo.\n\nSee you there",
	"Dear customer,\n\nthank you for your order. We have received your payment and will send "
	"the goods within two working days. You will get another message with a tracking number as "
	"soon as the parcel leaves our warehouse. If you have any questions, simply reply to this "
	"message.\n\nKind regards,\nthe shop team",
	"I upgraded to the new version yesterday and now the sound stops after a few minutes. The "
	"log says \"buffer underrun\" many times. Going back to the old version helps, so I do not "
	"think "
	"it is the hardware. I have tried another user account, turned off the power saving, and "
	"removed the configuration files, without any change. Is this a known problem? I can test "
	"a patch if somebody has one.",
	"FREE!!! Lose up to 30 pounds in 30 days -- GUARANTEED! Our all natural formula has helped "
	"thousands of people just like you. No diets, no exercise, no risk. Order within the next "
	"24 hours and receive a second bottle absolutely FREE. Visit our site now: "
	"http://slim.example.net/offer?id=8842 . To be removed from our list, reply with the word "
	"REMOVE in the subject line.",
	"The patch below makes the parser accept a comma at the end of a list. It changes two "
	"lines in "
	"the grammar and adds a test. I first thought of doing this in the lexer, but then an "
	"empty "
	"list would be allowed too, which the standard forbids. All tests pass on my machine, with "
	"and without optimisation. Comments are welcome, in particular about the name of the new "
	"rule.\n\n--- a/grammar.y\n+++ b/grammar.y\n@@ -112,6 +112,7 @@ list:\n \titem\n \t| list "
	"',' item\n+\t| list ','\n \t;",
	"Dear Sir or Madam,\n\nI am the manager of a bank in a distant country and write to you in "
	"strict confidence. A client of ours died some years ago and left a deposit of eighteen "
	"million dollars, which nobody has claimed. I seek an honest partner abroad into whose "
	"account this sum can be moved. You would keep thirty percent for your help. Please answer "
	"with your full name, telephone number and the number of your account so that we can begin "
	"without delay. This matter is urgent and must stay secret.",
	"Scientists have built a sensor thinner than a human hair that can measure pressure inside "
	"a "
	"beating heart. The device, described this week, needs no battery: it draws its power from "
	"a coil held near the chest. In tests on animals it worked for three months without losing "
	"accuracy. The team hopes to begin trials with patients in two years, but says that "
	"several "
	"questions are open, among them how the body reacts to the material over a longer time and "
	"how the sensor could be removed.",
	"Thanks for the quick reply. I had another look at the numbers and I think the difference "
	"comes "
	"from the way returns are counted: finance books them in the month of the sale, we book "
	"them "
	"in the month in which the goods arrive. If we do it their way, March goes down by about "
	"four percent and April goes up by three, and the totals for the quarter agree within a "
	"few "
	"hundred. I would suggest that we follow finance from now on and add a note to the report. "
	"Could you check with the team in the south whether they see a problem with that? They use "
	"an older system and may not be able to tell the two dates apart. I am in the office until "
	"six and tomorrow from eight.",
	"The city council voted on Monday to turn the old freight yard into a park. The plan had "
	"been "
	"argued over for almost ten years. Supporters say that the district has too few trees and "
	"that summers there have become hard to bear; opponents wanted flats instead, because "
	"rents "
	"have risen by a third since the new station opened. The compromise leaves room for 200 "
	"flats "
	"along the northern edge, a school, and a pond that takes up rain water in a storm. Work "
	"is to begin next spring and will cost 38 million, of which the state pays about half. The "
	"tracks of the yard will stay visible in the paving, and one of the two signal boxes "
	"becomes a cafe.",
	"Hello everyone, here is a short summary of what was decided at the meeting. First, the "
	"release "
	"moves from the 10th to the 24th, because the import is still too slow for large files; "
	"two "
	"people work on it full time until then. Second, the old interface stays in place for one "
	"more year, but prints a warning. Third, we stop building packages for systems that are "
	"older "
	"than five years, unless somebody offers to test them. There was a long discussion about "
	"the "
	"licence of the example data, without a result; a lawyer will look at it. The next meeting "
	"is "
	"on the first Monday of the month, at the usual time. Please send items for the agenda by "
	"Thursday. The notes of all meetings are in the wiki, and corrections are welcome, either "
	"there or as a reply to this list.",
	"To install the package, unpack the archive, change into the new directory and run "
	"./configure "
	"followed by make and make install. The last step needs the rights of an administrator "
	"unless "
	"you choose another place with --prefix. The program reads its settings from a file called "
	".toolrc in your home directory; an example with comments is in doc/sample. Each line has "
	"a name, an equals sign and a value, and everything behind a hash sign is ignored. When a "
	"value "
	"is wrong the program says so, names the line, and goes on with the default. If you find a "
	"bug, please run it again with --debug and send us the output together with the version of "
	"your system. Patches should be against the current sources and come with a test where "
	"that is possible.",
	"It was late when the ferry came in. The lamps along the quay were already lit, and the "
	"few "
	"people who had waited stood close together under the roof of the ticket office, because "
	"the "
	"wind blew rain in from the sea. A boy with a bicycle was the first to come down the ramp. "
	"He looked to the left and to the right, as if he had expected somebody, and then rode "
	"slowly "
	"up the street towards the church, where the road begins to climb. Behind him came the "
	"cars, "
	"one after another, with wet windows and their lights on. The last passenger was an old "
	"woman "
	"who carried nothing but an umbrella. She stopped at the kiosk, bought a newspaper, folded "
	"it "
	"without reading, and asked when the next boat would leave. In the morning, said the man, "
	"if "
	"the weather allows it. She nodded, as though this were exactly the answer for which she "
	"had crossed the water, and sat down on the bench.",
	"Interest on the loan is calculated daily on the outstanding balance and is due on the "
	"last "
	"business day of each month. The borrower may repay the whole or part of the loan before "
	"its term ends, provided that written notice is given at least ten days in advance; in the "
	"first "
	"two years a fee of one percent of the amount repaid applies. If a payment is late by more "
	"than thirty days, the lender may demand the full balance at once. Any notice under this "
	"agreement must be sent to the address given above, or to another address that a party has "
	"named in writing. If a court finds one clause to be invalid, the others remain in force. "
	"This agreement is governed by the law of the place in which the lender has its seat.",
	/* many words in little room */
	"harvest lantern velocity marble whisper cactus engine parliament silk thunder ledger "
	"orchard compass violin plaster migrant kettle glacier ribbon dentist copper summit pigeon "
	"fabric monsoon hinge waiter tunnel almond signal carpet turbine lemon shepherd",
	"accept borrow collapse deny encourage forgive gather hesitate ignore justify kneel linger "
	"mumble negotiate observe persuade quarrel recover scatter tolerate undo vanish wander "
	"yield admire betray conceal deserve evolve flourish grasp",
	"ancient brittle clumsy damp eager fragile gloomy hollow immense jealous keen loyal modest "
	"narrow odd pale quiet rough sincere tender ugly vivid weary zealous awkward blunt crisp "
	"dense elegant fierce gentle humble idle",
	"liver kidney artery insulin vaccine antibody tumour fracture diabetes asthma migraine "
	"allergy surgeon nurse ward dosage tablet symptom diagnosis therapy virus bacteria "
	"infection blood pressure pulse spine muscle tendon nerve cortex",
	"equity dividend mortgage inflation deficit tariff subsidy audit ledger bankruptcy merger "
	"hedge futures commodity yield coupon creditor liquidity solvency portfolio index "
	"benchmark volatility margin leverage currency export import payroll invoice",
	"compiler pointer thread mutex socket kernel cache register pipeline opcode buffer segment "
	"heap stack recursion closure lambda tensor gradient matrix vector scalar hash index "
	"cursor trigger schema replica shard checkpoint snapshot rollback",
	"oxygen nitrogen carbon iron zinc quartz granite basalt magma fossil comet nebula galaxy "
	"quasar photon electron neutron isotope enzyme protein membrane chromosome mutation "
	"species habitat predator larva coral plankton lichen spore",
	"judge jury verdict plaintiff defendant appeal statute clause treaty warrant testimony "
	"custody parole felony fraud theft arson libel patent trademark copyright licence contract "
	"breach damages liability settlement arbitration notary",
	"goalkeeper striker referee penalty relay marathon sprint javelin hurdle rowing fencing "
	"archery wrestling cricket wicket innings quarterback touchdown rebound serve volley puck "
	"slalom podium medal coach stadium league playoff transfer",
	"soprano cello trumpet chorus rhythm melody sonata ballad guitar drummer album lyric "
	"studio canvas sculpture gallery portrait fresco novel stanza chapter editor critic "
	"playwright curtain rehearsal puppet carnival ballet costume",
	"Paris Cairo Nairobi Lima Seoul Oslo Delhi Toronto Jakarta Athens Havana Dublin Warsaw "
	"Tehran Sydney Lagos Vienna Manila Madrid Boston Chicago Texas Florida Siberia Tuscany "
	"Bavaria Patagonia Sahara Danube Amazon Himalaya",
	"carrot onion garlic basil pepper salmon shrimp beef lamb butter yoghurt cheddar noodle "
	"rice lentil walnut raisin honey vinegar mustard ginger cinnamon vanilla chocolate pastry "
	"omelette soup stew grill roast simmer whisk",
	"january tuesday noon midnight dusk decade century fortnight yesterday seldom often twice "
	"meanwhile afterwards hitherto lately soon eventually forever never always sometimes "
	"whenever until since during before beyond beneath",
	"sofa curtain cupboard drawer pillow blanket faucet stove fridge bulb socket hammer screw "
	"drill ladder paintbrush nail saw bucket broom mop sponge soap towel shampoo razor mirror "
	"comb lipstick perfume necklace bracelet",
	"bishop temple mosque monk prayer hymn ritual pilgrim saint prophet scripture creed heresy "
	"altar incense shrine myth legend dragon wizard castle knight throne crown empire dynasty "
	"rebellion siege armour cavalry navy",
	"senator ballot mayor cabinet embassy refugee border visa sanction protest strike union "
	"minister budget reform scandal campaign poll coalition veto amendment constitution "
	"republic monarchy census citizen welfare pension",
	"bicycle scooter truck tram airport runway pilot cockpit cargo freight harbour anchor sail "
	"ferry canal bridge highway junction roundabout pedestrian brake clutch gearbox tyre "
	"diesel petrol hybrid battery charger sensor radar",
	"mother uncle niece cousin bride widow toddler teenager neighbour colleague stranger "
	"landlord tenant apprentice librarian plumber electrician carpenter barber tailor farmer "
	"fisherman miner soldier firefighter detective",
	"wolf badger otter falcon owl sparrow salmon trout lobster octopus beetle wasp butterfly "
	"spider snail frog lizard tortoise crocodile elephant giraffe zebra camel kangaroo panda "
	"leopard hyena walrus dolphin whale shark",
	"oak birch maple willow cedar bamboo fern moss ivy tulip orchid daisy thistle clover wheat "
	"barley maize cotton hemp tobacco vineyard meadow swamp tundra desert island lagoon cliff "
	"cave volcano earthquake hurricane drought",
	"password encryption firewall malware phishing spam router modem bandwidth latency server "
	"client browser cookie plugin widget toolbar keyboard mouse monitor printer scanner laptop "
	"tablet headset webcam speaker microphone",
	"happy sad angry afraid surprised bored curious proud ashamed guilty lonely hopeful "
	"anxious calm excited grateful disappointed confused relieved nostalgic offended amused "
	"disgusted jealous shy confident stubborn patient greedy generous",
	"unsubscribe click offer discount bonus cash prize winner casino lottery mortgage "
	"refinance credit debt pills powder diet pounds guaranteed limited urgent confidential "
	"million dollars transfer bank account beneficiary attorney",
	"theorem lemma proof axiom integer prime fraction polynomial derivative integral "
	"probability variance median histogram regression cluster sample hypothesis experiment "
	"laboratory telescope microscope catalyst polymer alloy",
	"The recipe needs three onions, a tin of tomatoes, two peppers and a handful of fresh "
	"basil; fry the onions gently, add the rest, and let it simmer until the sauce is thick "
	"enough to coat a spoon.",
	"Our flight was cancelled because of fog, so the airline put us on a bus to the next "
	"airport, where we waited another five hours without being told anything at all.",
	"Install the update, restart the server, and check that the queue is empty before you "
	"switch the traffic back; if the error rate rises above one percent, roll back and call "
	"the person on duty.",
	"The judge ruled that the tenant did not have to pay for the repairs, since the damage had "
	"been caused by frost in a pipe that the owner had failed to insulate.",
	"In the third quarter the home side finally found their rhythm, and two long passes to the "
	"left wing turned a deficit of nine points into a lead that they never lost again.",
	"A short walk from the harbour brings you to the old fish market, where painters rent "
	"studios in the former cold stores and a small theatre plays on the loading dock in summer.",
	"Researchers compared the genes of wolves and dogs from forty places and concluded that "
	"dogs were tamed more than once, probably in both the east and the west of the continent.",
	"My grandmother kept bees, spoke four languages, and never threw away a piece of string; "
	"when she died we found nine boxes of letters from people none of us had ever heard of.",
	"If the lamp on the front blinks twice, the filter has to be cleaned; if it stays red, "
	"pull the plug, wait for ten minutes, and fill the tank up to the mark before you try "
	"again.",
	"The fund lost 11 percent last year, mostly on bets against the yen, and has told its "
	"clients that it will return the remaining 240 million dollars by the end of March.",
	"Congratulations to the whole team on the launch: the site stayed up all day, sign-ups "
	"were three times what we had planned for, and support answered every ticket within an "
	"hour.",
	"Does anyone know how to make the mail filter ignore messages that come from the list "
	"itself? Mine moves every second post into the junk folder since I changed the threshold.",
	"I have to disagree with the review: the plot may be thin, but the acting is superb, the "
	"music fits every scene, and the last twenty minutes are among the best of the decade.",
	"Police are looking for witnesses of an accident on the ring road on Friday evening, in "
	"which a delivery van hit two parked cars and drove off in the direction of the stadium.",
	"To prove the claim, assume the contrary: then there is a smallest counterexample, from "
	"which one can construct a smaller one, and that is a contradiction.",
	"Le conseil municipal a vot\xC3\xA9 hier soir la construction d'une nouvelle \xC3\xA9"
	"cole au nord de la ville.",
	"Die Bundesregierung will die Steuer auf Strom senken, um kleine Betriebe und Haushalte zu "
	"entlasten.",
	"El equipo gan\xC3\xB3 el partido en los \xC3\xBAltimos minutos gracias a un gol de su "
	"capit\xC3\xA1n.",
	"Questa ricetta richiede farina, uova, zucchero e un po' di pazienza.",
	NULL,
};
/* clang-format on */
